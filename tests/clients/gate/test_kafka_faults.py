"""The gate while Kafka misbehaves: it never says yes to what it read to be withdrawn, and comes back by itself."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete
from consent_client.errors import Unavailable
from consent_client.gate import ConsentGate
from consent_client.gate.packing import unpack

from consent_service.domain.changes import published
from consent_service.embedded import KafkaServer
from consent_service.embedded.ports import free_port
from tests.builders import a_purpose
from tests.clients.gate.told import PARTITIONS, Told, state
from tests.events.streams import administrator, eventually, subject
from tests.soak import soak

_numbers = itertools.count(1)
SHORTLY = timedelta(seconds=2)


@pytest.fixture
async def told(kafka: KafkaServer) -> AsyncIterator[Told]:
    """Topics with a newsletter."""
    made = Told(kafka.bootstrap, f"gate-{next(_numbers)}")
    await made.make()
    async with made.speaking():
        await made.tell_newsletter()
        yield made


def why(gate: ConsentGate, number: int) -> str:
    return str(gate.answer(subject(number), "nyhetsbrev").reason)


async def until(gate: ConsentGate, number: int, reason: str) -> None:
    async def so() -> bool:
        return why(gate, number) == reason

    await eventually(so)


async def test_R33_a_gate_does_not_overlook_a_partition_that_was_added_meanwhile(told: Told) -> None:
    async with told.beating():
        await told.tell([state(1, 1)])
        async with told.gate() as gate:
            await gate.ready()
            assert gate.allows(subject(1), "nyhetsbrev")

            async with administrator(told.bootstrap) as admin:
                await admin.create_partitions({told.states: NewPartitions(PARTITIONS + 1)})
            afterwards = Told(told.bootstrap, told.prefix)
            async with afterwards.speaking():
                await afterwards.tell([state(1, 2)], partition=PARTITIONS)

            # Nobody beats there yet, so it does not get ready again either.
            await until(gate, 1, "not_ready")


async def test_R33_a_gate_started_in_the_middle_of_a_flood_is_ready_and_never_gives_back_what_was_withdrawn(
    told: Told,
) -> None:
    people, rounds = 50, soak(25, 2000)
    withdrawn: dict[int, int] = {}
    broken: list[int] = []
    done = asyncio.Event()

    async def flood() -> None:
        for round_ in range(rounds):
            # Everybody once more, and what a relay that was killed tells again, grants before their withdrawals.
            sequences = sorted({max(1, 2 * round_ + back) for back in (-1, 0, 1, 2)})
            await told.tell(state(number, sequence) for sequence in sequences for number in range(people))
            await told.tell(state(number, sequences[0]) for number in range(people))
            await told.beat()
        done.set()

    def look(gate: ConsentGate) -> None:
        """What was read of a sequence is never taken back by an earlier one."""
        for number in range(people):
            pairs = gate.knowledge.memory.pairs_of("nyhetsbrev") or {}
            known = pairs.get(subject(number).int, 0) >> 100
            if known < withdrawn.get(number, 0) or (
                known % 2 == 0 and gate.allows(subject(number), "nyhetsbrev")
            ):
                broken.append(number)
            withdrawn[number] = known

    flooding = asyncio.create_task(flood())
    async with told.gate() as gate:
        await gate.ready()
        was_in_the_middle = not done.is_set()
        while not done.is_set():
            look(gate)
            await asyncio.sleep(0)
        await flooding

        async def all_read() -> bool:
            look(gate)
            return {why(gate, number) for number in range(people)} == {"withdrawn"}

        await eventually(all_read)

    assert was_in_the_middle
    assert broken == []


async def test_R33_while_the_broker_is_away_answers_go_on_until_out_of_touch_and_heal(tmp_path: Path) -> None:
    port = free_port()
    told = Told(f"127.0.0.1:{port}", "consent")
    async with told.gate(out_of_touch_after=SHORTLY) as gate:
        assert why(gate, 1) == "not_ready"
        async with KafkaServer(tmp_path, port=port) as broker, AsyncExitStack() as stack:
            await told.make()
            await stack.enter_async_context(told.speaking())
            await told.tell_newsletter()
            await told.tell([state(1, 1)])
            await stack.enter_async_context(told.beating())
            await gate.ready()
            assert why(gate, 1) == "given"
            broker.pause()
            assert why(gate, 1) == "given"
            await until(gate, 1, "out_of_touch")
            broker.resume()
            await until(gate, 1, "given")
            await told.tell([state(1, 2)])
            await until(gate, 1, "withdrawn")
        await until(gate, 1, "out_of_touch")
        async with KafkaServer(tmp_path, port=port), told.speaking(), told.beating():
            await told.tell([state(1, 3)])
            await until(gate, 1, "given")


async def test_R31_a_topic_that_was_deleted_and_made_anew_is_read_anew(told: Told) -> None:
    async with told.beating():
        await told.tell([state(number, 1) for number in range(8)])
        async with told.gate() as gate:
            await gate.ready()
            assert why(gate, 1) == "given"

            await told.delete(told.states)
            await told.make(told.states)
            # More than before, so that no offset tells; of the first nothing stands any more.
            await told.tell(state(number, 2) for number in range(2, 1000))

            await until(gate, 1, "no_record")
            await gate.ready()
            assert why(gate, 2) == "withdrawn"


async def test_R31_a_compacted_topic_whose_beginning_is_gone_is_read_from_where_it_begins(told: Told) -> None:
    await told.delete(told.states)
    await told.make(told.states, **{"cleanup.policy": "compact,delete"})
    await told.tell(state(number, 1) for number in range(400))
    async with administrator(told.bootstrap) as admin:
        every = [TopicPartition(told.states, number) for number in range(PARTITIONS)]
        await admin.delete_records({one: RecordsToDelete(-1) for one in every})
    await told.tell(state(number, 2) for number in range(200))
    await told.tell(state(number, 3) for number in range(100))

    async with told.beating(), told.gate() as gate:
        await gate.ready()

        assert [why(gate, number) for number in (0, 150, 399)] == ["given", "withdrawn", "no_record"]
        assert len(gate) == 200


async def test_R31_a_new_ledger_epoch_is_read_anew(told: Told) -> None:
    await told.tell([state(1, 1), state(2, 1)])
    await told.beat()
    async with told.gate() as gate:
        await gate.ready()

        await told.tell([state(1, 1, ledger_epoch=2)])
        await until(gate, 1, "not_ready")
        await told.beat(ledger_epoch=2)
        await told.tell([published(a_purpose(), ledger_epoch=2)])

        await until(gate, 1, "given")
        assert why(gate, 2) == "outdated"


async def test_R33_a_message_that_nobody_understands_stops_the_gate_and_it_says_why(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "consent_client")
    await told.tell([state(1, 1)])
    await told.beat()
    async with told.gate() as gate:
        await gate.ready()

        await told._producer.send_and_wait(told.states, b"junk", b"junk", partition=0)

        await until(gate, 1, "not_ready")
        with pytest.raises(Unavailable, match="a message is not understood: the key names no subject"):
            await gate.ready(timedelta(0))
    assert (
        "nothing is allowed any more: a message is not understood: the key names no subject"
        in caplog.messages
    )


@pytest.mark.soak
@pytest.mark.timeout(soak(180, 1800))
async def test_memory_stays_flat_over_many_events_of_the_same_pairs(told: Told) -> None:
    people, events = 2_000, soak(100_000, 1_000_000)

    async with told.gate() as gate, told.in_bulk() as tell:
        await told.beat()
        await gate.ready()

        async def through(first: int, count: int) -> int:
            """Megabytes once so many events more were read."""
            sequences = range(first, first + count // people)
            for sequence in sequences:
                await tell(state(number, sequence) for number in range(people))

            async def read() -> bool:
                pairs = gate.knowledge.memory.pairs_of("nyhetsbrev") or {}
                return all(
                    unpack(pairs[subject(number).int]).sequence == sequences[-1] for number in range(people)
                )

            await eventually(read, 120)
            gc.collect()
            return int(psutil.Process().memory_info().rss) // 1_000_000

        warm = events // 5
        before = await through(1, warm)
        after = await through(1 + warm // people, events - warm)
        assert len(gate) == people

    assert after - before < 15
