"""A stream laid out by hand, message by message, so that one fault can be planted in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.changes import ConsentChange, ConsentState, state_after
from consent_service.domain.records import Record
from consent_service.events.checking.report import FaultKind, Report
from consent_service.events.checking.verify import verify_stream
from consent_service.events.publishing.kafka import Kafka
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.messages import Message
from consent_service.storage.history import read_history
from consent_service.storage.outbox import EventReader
from tests.events.streams import Stream, opened


async def changes_of(stream: Stream, *, replayed: bool = False) -> list[ConsentChange]:
    """The ledger's records as changes, person after person."""
    async with opened(stream.database, "consent_relay") as pool, pool.session() as connection:
        pointers = await read_history(connection, controllers=["ansettr"], rows_max=10_000)
        located = await EventReader().read(connection, pointers, replayed=replayed)
    found = [located[pointer].event for pointer in pointers]
    return [change for change in found if isinstance(change, ConsentChange)]


async def send(stream: Stream, messages: Sequence[Message]) -> None:
    """In the order given; both topics are made where they are not there."""
    await _send(stream, [stream.changes, stream.state], messages)


async def send_to(stream: Stream, topic: str, messages: Sequence[Message]) -> None:
    """In the order given to one topic, which is made where it is not there."""
    await _send(stream, [topic], messages)


async def _send(stream: Stream, topics: list[str], messages: Sequence[Message]) -> None:
    publisher = Kafka(stream.bootstrap).publisher()
    await publisher.prepare(topics)
    if messages:
        sent = await publisher.send(messages)
        assert len(sent.acknowledged) == len(messages)
    await publisher.close()


async def lay_out(
    stream: Stream, changes: Sequence[ConsentChange], states: Sequence[ConsentChange] | None = None
) -> None:
    """These changes, and the states after them; with `states`, the states after those instead."""
    after = [state_after(change) for change in (changes if states is None else states)]
    await send(
        stream,
        [encode(change, stream.prefix) for change in changes]
        + [encode_state(state, stream.prefix) for state in after if state is not None],
    )


async def publish_all(stream: Stream, records: Sequence[Record]) -> list[ConsentChange]:
    """Records that are on the ledger and on both topics, as if a relay had published them; their changes."""
    await stream.append_only(records)
    written = {record.record_id for record in records}
    changes = [change for change in await changes_of(stream) if change.record_id in written]
    await lay_out(stream, changes)
    return changes


async def verified(stream: Stream, controller: str | None = None) -> Report:
    async with opened(stream.database, "consent_auditor") as pool:
        return await verify_stream(pool, stream.bootstrap, controller=controller)


def found(report: Report) -> set[tuple[FaultKind, UUID | None, int | None]]:
    assert report.counts.total() == len(report.faults)
    return {(fault.kind, fault.subject_id, fault.sequence) for fault in report.faults}


def after(change: ConsentChange, **fields: Any) -> ConsentState:
    state = state_after(change)
    assert state is not None
    return msgspec.structs.replace(state, **fields)


def altered(change: ConsentChange, **fields: Any) -> ConsentChange:
    return msgspec.structs.replace(change, **fields)
