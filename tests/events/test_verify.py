"""`events verify`: every kind of fault, planted in a real stream, is found, and nothing else is (R31).

Where several faults are planted in one stream, each is another person's; all others are told as they should be.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from consent_service.domain.changes import ConsentChange, Heartbeat
from consent_service.domain.errors import UnknownController
from consent_service.domain.partitions import partition_of, subject_hash
from consent_service.domain.values import Reason, Status
from consent_service.events.checking.reading import StreamAway
from consent_service.events.checking.report import FaultKind
from consent_service.events.checking.verify import Step, verify_stream
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.heartbeats import encode_heartbeat
from consent_service.events.wire.messages import Message
from tests.events.laid_out import after, altered, changes_of, found, lay_out, publish_all, send, verified
from tests.events.streams import Stream, a_record, administrator, opened, subject

RECORDS = [a_record(number, sequence) for number in (1, 2, 3) for sequence in (1, 2, 3)]
FIELDS: tuple[dict[str, Any], ...] = (
    {"allowed": False},
    {"status": Status.RENEWED},
    {"reason": Reason.RENEWED},
    {"version": 2},
    {"source": "crm"},
    {"superseded": True},
    {"legal_bases": ()},
    {"effective_at": datetime(2026, 1, 1, tzinfo=UTC)},
    {"until": datetime(2030, 1, 1, tzinfo=UTC)},
)


@pytest.fixture
async def changes(stream: Stream) -> list[ConsentChange]:
    """Three persons with three records each, all on the ledger; nothing is on the stream yet."""
    await stream.append_only(RECORDS)
    return await changes_of(stream)


class Persons:
    """Persons with three records each, on the ledger alone; what is told of each is the test's choice."""

    def __init__(self, changes: list[ConsentChange]) -> None:
        self._changes = {(one.subject_id, one.sequence): one for one in changes}

    def told(self, number: int, *sequences: int) -> list[ConsentChange]:
        return [self._changes[subject(number), sequence] for sequence in sequences]


async def persons(stream: Stream, count: int) -> Persons:
    numbers = range(1, count + 1)
    await stream.append_only([a_record(number, sequence) for number in numbers for sequence in (1, 2, 3)])
    return Persons(await changes_of(stream))


def moved(message: Message) -> Message:
    """To the next partition."""
    return Message(message.topic, message.key, message.value, message.headers, message.hashed + 1)


def spoilt(message: Message) -> Message:
    return Message(message.topic, message.key, b"\xff", message.headers, message.hashed)


async def test_R31_a_healthy_stream_has_no_fault(stream: Stream) -> None:
    await publish_all(stream, RECORDS)
    heartbeat = Heartbeat(
        shard_group=3, at=datetime.now(UTC), oldest_unpublished=timedelta(0), ledger_epoch=1
    )
    key, value, headers = encode_heartbeat(heartbeat)
    await send(stream, [Message(stream.changes, key, value, headers, 5)])
    steps: list[Step] = []
    async with opened(stream.database, "consent_auditor") as pool:
        report = await verify_stream(pool, stream.bootstrap, progress=steps.append)

    assert report.faults == []
    assert (report.persons, report.records, report.states) == (3, 9, 3)
    assert (report.repeated, report.waiting, report.no_longer_kept) == (0, 0, 0)
    assert {topic: counts.messages for topic, counts in report.topics.items()} == {
        stream.changes: 9,
        stream.state: 9,
        stream.purposes: 0,
    }
    ages = report.topics[stream.changes].heartbeats
    assert sorted(ages) == list(range(12))
    assert [number for number, age in ages.items() if age is not None] == [5]
    assert {step.what for step in steps} == {
        f"ledger of {stream.prefix}: persons",
        f"{stream.changes}: messages",
        f"{stream.state}: messages",
    }
    assert max(step.done for step in steps if "persons" in step.what) == 3


async def test_R31_faults_of_events_are_found(stream: Stream) -> None:
    told = (await persons(stream, 9)).told
    forged = altered(told(6, 1)[0], record_id=UUID(int=7))
    nobody = altered(told(6, 1)[0], subject_id=subject(100))
    lost_and_replayed = [*told(9, 1, 3), altered(told(9, 2)[0], replayed=True)]
    events = [
        *told(1, 1, 3),
        *told(2, 1, 2),
        *told(3, 1, 3, 2),
        *told(4, 1, 2, 2, 3, 1),
        *[*told(6, 1, 2, 3), forged, nobody],
        *[*told(7, 1, 2, 3), *told(8, 1, 2, 3), *lost_and_replayed],
    ]
    await lay_out(stream, events, [one for number in range(1, 10) for one in told(number, 3)])
    await send(
        stream,
        [moved(encode(told(7, 1)[0], stream.prefix)), spoilt(encode(told(8, 1)[0], stream.prefix))],
    )
    report = await verified(stream)

    assert found(report) == {
        (FaultKind.LOST_EVENT, subject(1), 2),
        (FaultKind.LOST_EVENT, subject(2), 3),
        (FaultKind.REORDERED_EVENT, subject(3), 2),
        *((FaultKind.LOST_EVENT, subject(5), sequence) for sequence in (1, 2, 3)),
        (FaultKind.UNKNOWN_EVENT, subject(6), 1),
        (FaultKind.UNKNOWN_EVENT, subject(100), 1),
        (FaultKind.WRONG_PARTITION, subject(7), 1),
        (FaultKind.UNREADABLE, None, None),
    }
    assert (report.repeated, report.repeated_behind, report.replayed) == (2, 1, 1)
    ids = {fault.kind: fault.record_id for fault in report.faults}
    assert ids[FaultKind.REORDERED_EVENT] == told(3, 2)[0].record_id
    assert [fault.detail for fault in report.faults if fault.kind is FaultKind.REORDERED_EVENT] == [
        "behind sequence 3"
    ]


async def test_R27_a_changed_field_is_found(stream: Stream) -> None:
    """On both topics, where both carry it."""
    told = (await persons(stream, len(FIELDS))).told
    events = []
    for number, fields in enumerate(FIELDS, 1):
        events += [*told(number, 1, 2), altered(told(number, 3)[0], **fields)]
    await lay_out(stream, events)
    report = await verified(stream)

    differing = {(fault.kind, fault.subject_id, fault.detail) for fault in report.faults}
    assert len(differing) == report.counts.total()
    for number, fields in enumerate(FIELDS, 1):
        original = told(number, 3)[0]
        in_state = after(original) != after(altered(original, **fields))
        kinds = (
            {FaultKind.DIFFERENT_EVENT, FaultKind.DIFFERENT_STATE}
            if in_state
            else {FaultKind.DIFFERENT_EVENT}
        )
        [name] = fields
        assert {one for one in differing if one[1] == subject(number)} == {
            (kind, subject(number), name) for kind in kinds
        }


async def test_R27_faults_of_states_are_found(stream: Stream) -> None:
    """None; one that was overtaken, or covered by a late repetition; of no record; a yes that no record gives."""
    told = (await persons(stream, 6)).told
    everything = [one for number in range(1, 7) for one in told(number, 1, 2, 3)]
    await lay_out(
        stream,
        everything,
        [*told(2, 1, 2), *told(3, 1, 3, 2), *told(4, 1, 2, 3), *told(5, 3), *told(6, 3)],
    )
    yes = told(4, 3)[0]
    nothing_known: dict[str, Any] = {"sequence": 0, "record_id": None, "status": Status.UNKNOWN}
    no_record = {**nothing_known, "allowed": False, "reason": Reason.NO_RECORD}
    states = [
        after(yes, subject_id=subject(101)),
        after(yes, subject_id=subject(102), sequence=0, record_id=None),
        after(yes, subject_id=subject(103), **no_record),
        after(yes, **no_record),
    ]
    spoils = [
        moved(encode_state(after(told(5, 3)[0]), stream.prefix)),
        spoilt(encode_state(after(told(6, 3)[0]), stream.prefix)),
    ]
    await send(stream, [*(encode_state(state, stream.prefix) for state in states), *spoils])
    report = await verified(stream)

    assert found(report) == {
        (FaultKind.MISSING_STATE, subject(1), 3),
        (FaultKind.STALE_STATE, subject(2), 3),
        (FaultKind.STALE_STATE, subject(3), 3),
        (FaultKind.STALE_STATE, subject(4), 3),
        (FaultKind.WRONG_PARTITION, subject(5), 3),
        (FaultKind.UNKNOWN_STATE, subject(101), 3),
        (FaultKind.UNKNOWN_STATE, subject(102), 0),
        (FaultKind.UNREADABLE, None, None),
    }


async def test_R31_all_are_lost_where_there_is_no_topic(stream: Stream, changes: list[ConsentChange]) -> None:
    report = await verified(stream)

    assert report.counts == {FaultKind.LOST_EVENT: 9, FaultKind.MISSING_STATE: 3}
    assert {one.record_id for one in changes} <= {fault.record_id for fault in report.faults}
    assert {counts.partitions for counts in report.topics.values()} == {0}


async def test_R31_what_is_still_in_the_outbox_waits(stream: Stream) -> None:
    """Of one who has events already, and of one who has none."""
    await publish_all(stream, RECORDS[:3])
    await stream.append([a_record(1, 4), a_record(1, 5), a_record(2, 1)])
    report = await verified(stream)

    assert report.faults == []
    assert (report.waiting, report.waiting_states) == (3, 2)


async def test_R31_what_the_topic_no_longer_keeps_is_not_lost(
    stream: Stream, changes: list[ConsentChange]
) -> None:
    """Unless it was recorded after the oldest message that is kept."""
    await lay_out(stream, changes)
    partition = partition_of(subject_hash(subject(1)), 12)
    async with administrator(stream.bootstrap) as admin:
        await admin.delete_records({TopicPartition(stream.changes, partition): RecordsToDelete(2)})
    removed = await verified(stream)
    later = datetime.now(UTC) + timedelta(hours=1)
    await stream.append_only([a_record(1, 4, recorded_at=later, effective_at=later)])
    lost = await verified(stream)

    assert removed.faults == []
    assert removed.no_longer_kept == 2
    assert found(lost) == {(FaultKind.LOST_EVENT, subject(1), 4), (FaultKind.STALE_STATE, subject(1), 4)}
    assert lost.no_longer_kept == 2


async def test_R31_one_controller_alone(stream: Stream, changes: list[ConsentChange]) -> None:
    """What others have under the same prefix is passed over."""
    await lay_out(stream, changes[1:], changes)
    await stream.run(
        "insert into controllers (controller, legal_name, content, topic_prefix) values ('coness', 'C', '{}', $1)",
        stream.prefix,
    )

    assert (await verified(stream, "coness")).faults == []
    assert (await verified(stream, "ansettr")).counts == {FaultKind.LOST_EVENT: 1}
    with pytest.raises(UnknownController, match="nobody"):
        await verified(stream, "nobody")


async def test_R31_the_answer_is_right_while_others_write(stream: Stream) -> None:
    """Each time that some of the ledger was read, one record more is published, and one more is staged."""
    await publish_all(stream, [a_record(number, 1) for number in (1, 2, 3, 4)])
    written = itertools.count(2)
    seen: set[tuple[str, int]] = set()

    async def write() -> None:
        sequence = next(written)
        await publish_all(stream, [a_record(number, sequence) for number in (1, 2, 3, 4)])
        await stream.append([a_record(100 * sequence + number, 1) for number in (1, 2, 3, 4)])

    def interrupt(step: Step) -> None:
        """Nothing of the comparison goes on while the others write."""
        if "persons" in step.what and (step.what, step.done) not in seen:
            seen.add((step.what, step.done))
            writing = threading.Thread(target=lambda: asyncio.run(write()))
            writing.start()
            writing.join()

    async with opened(stream.database, "consent_auditor") as pool:
        report = await verify_stream(pool, stream.bootstrap, progress=interrupt)

    assert report.faults == []
    assert next(written) > 10
    assert report.waiting > 0


async def test_R31_a_broker_that_is_away_is_told(stream: Stream) -> None:
    async with opened(stream.database, "consent_auditor") as pool:
        with pytest.raises(StreamAway, match=r"127\.0\.0\.1:1"):
            await verify_stream(pool, "127.0.0.1:1")
