"""The gate on a real Kafka that a real relay publishes to."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from consent_client.gate import Answer, GateReason
from consent_client.words import Reason, Status

from tests.clients.gate.conftest import gate_on
from tests.events.streams import Stream, a_record, eventually, subject


async def test_R33_what_stands_is_answered_and_a_withdrawal_is_obeyed(stream: Stream) -> None:
    await stream.append([a_record(1, 1), a_record(2, 1), a_record(2, 2)])
    async with stream.relay() as relay, AsyncExitStack() as stack:
        await stream.drained()
        gate = await stack.enter_async_context(gate_on(stream))
        assert gate.answer(subject(1), "nyhetsbrev") == Answer(False, GateReason.NOT_READY)
        await gate.ready()

        assert gate.allows(subject(1), "nyhetsbrev")
        assert gate.allows(str(subject(1)), "nyhetsbrev")
        assert gate.answer(subject(2), "nyhetsbrev") == Answer(
            False, Reason.WITHDRAWN, Status.WITHDRAWN, version=1
        )
        assert gate.answer(subject(3), "nyhetsbrev") == Answer(
            False, Reason.NO_RECORD, Status.UNKNOWN, version=1
        )
        assert gate.answer(subject(1), "other") == Answer(False, GateReason.UNKNOWN_PURPOSE)
        assert gate.freshness is not None
        assert gate.freshness < timedelta(seconds=30)

        await stream.append([a_record(1, 2)])
        relay.wake()

        async def withdrawn() -> bool:
            return not gate.allows(subject(1), "nyhetsbrev")

        await eventually(withdrawn)
        assert gate.answer(subject(1), "nyhetsbrev").reason is Reason.WITHDRAWN
    assert gate.answer(subject(1), "nyhetsbrev") == Answer(False, GateReason.NOT_READY)
