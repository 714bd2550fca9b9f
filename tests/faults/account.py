"""The account of a load laid beside what is there: the ledger, its verification, and the events."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from consent_service.app.pools import keyring_from
from consent_service.domain.changes import ConsentState
from consent_service.events.checking.verify import verify_stream
from consent_service.events.wire.consume import ReceivedChange, read_change, read_state
from consent_service.events.wire.heartbeats import is_heartbeat
from consent_service.settings import Settings
from consent_service.usecases.verification import Verification
from consent_service.usecases.verification_person import Fault
from tests.databases import TestDatabase
from tests.events.streams import by_subject, consumer, eventually, opened, read_to_end, without_repetition
from tests.faults.load import DECIDED, Load, Said

LEDGER = """
    select subject_id, sequence, record_id, purpose, command, status, version, governing_version, standing_version,
           allowed, reason, superseded, channel, source, until, effective_at, recorded_at,
           encode(record_hash, 'hex') as record_hash, encode(previous_hash, 'hex') as previous_hash
    from records
    order by subject_id, sequence
"""
HEADS = "select subject_id, last_sequence from subjects"
#: What an answer and an event tell of a record under the ledger's own names.
SHARED = (
    "subject_id", "sequence", "purpose", "command", "status", "version", "superseded", "source", "effective_at",
    "recorded_at",
)  # fmt: skip
ANSWERED = (*SHARED, "record_id", "record_hash", "previous_hash")
PUBLISHED = (*SHARED, "governing_version", "standing_version", "allowed", "reason")
STOOD = (
    "sequence",
    "record_id",
    "status",
    "standing_version",
    "allowed",
    "reason",
    "recorded_at",
    "effective_at",
)
PROBLEMS = ("/problems/unavailable", "/problems/overloaded")
DRAIN_S = 50.0
ENDING = "select exists (select from states where until < now() + interval '1 minute')"
#: A sweeper's lease, and a few rounds.
SWEEP_S = 50.0


async def read_ledger(database: TestDatabase) -> list[dict[str, Any]]:
    """Every record, person after person, in order."""
    connection = await database.connect()
    try:
        heads = {row["subject_id"]: row["last_sequence"] for row in await connection.fetch(HEADS)}
        rows = [dict(row) for row in await connection.fetch(LEDGER)]
    finally:
        await connection.close()
    counted = Counter(row["subject_id"] for row in rows)
    assert {subject_id: counted[subject_id] for subject_id in heads} == heads
    return rows


async def check_chains(database: TestDatabase, settings: Settings, records: int) -> None:
    """A walk along every chain, over so many records, finds no fault: hashes, sequences, heads, states not the fold."""
    faults: list[Fault] = []
    async with opened(database, "consent_auditor") as auditor:
        counts = await Verification(auditor, keyring_from(settings), report=faults.append).run()
    assert faults == []
    assert counts.records == records


def check(load: Load, rows: list[dict[str, Any]]) -> None:
    """Everything that was answered is so, once; nothing else is there, nor what was refused; nobody was left waiting."""
    assert load.stuck == []
    gapless(rows)
    by_id = {str(row["record_id"]): row for row in rows}
    assert len(by_id) == len(rows), "a record id stands in the ledger twice"
    made = Counter(row["source"] for row in rows if row["channel"] != "system")
    assert {source: times for source, times in made.items() if times > 1} == {}
    assert made.keys() <= {source for said in load.said for source in said.sources}
    for said in load.said:
        twins_agree(said)
        for source, record in said.recorded:
            assert_same(record, by_id.get(record["record_id"]), source)
            own = record["source"] == source
            assert own == (source in made), f"{source}: answered with a standing record, but recorded"
        if not any(answer.status in (200, 201) for answer in said.answers) and not may_be_there(said):
            assert not made.keys() & set(said.sources), f"{said.key}: refused, but recorded"


def check_ends(rows: list[dict[str, Any]]) -> None:
    """What ended by itself is told once, right behind the consent that ended, at its end; and nothing else is."""
    pairs: dict[tuple[UUID, str], list[dict[str, Any]]] = {}
    for row in rows:
        pairs.setdefault((row["subject_id"], row["purpose"]), []).append(row)
    now = datetime.now(UTC)
    for pair, told in pairs.items():
        before: dict[str, Any] | None = None
        for row in told:
            if row["channel"] == "system":
                assert before is not None, pair
                assert row["status"] == "expired", pair
                assert row["effective_at"] == before["until"] <= row["recorded_at"], pair
            before = row
        stands_until = told[-1]["until"]
        assert stands_until is None or stands_until > now, f"{pair}: nothing tells of its end"


def gapless(rows: list[dict[str, Any]]) -> None:
    sequences: dict[UUID, list[int]] = {}
    for row in rows:
        sequences.setdefault(row["subject_id"], []).append(row["sequence"])
    for subject_id, found in sequences.items():
        assert found == list(range(1, len(found) + 1)), f"{subject_id}: {found}"


def may_be_there(said: Said) -> bool:
    """Whether nothing decided came back and it is open what happened: the service, or its database, died meanwhile."""
    return said.unanswered > 0 or any("not known" in answer.content["detail"] for answer in said.answers)


def twins_agree(said: Said) -> None:
    """R24: one submission has one answer, given once and replayed from then on."""
    contents = {json.dumps(answer.content, sort_keys=True) for answer in said.decided}
    assert len(contents) <= 1, f"{said.key}: {contents}"
    assert len({answer.status for answer in said.decided}) <= 1, said.key
    firsts = [answer.replayed for answer in said.decided].count(False)
    assert firsts <= 1, f"{said.key}: decided {firsts} times"
    for answer in said.answers:
        if answer.status == 503:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.content["type"] in PROBLEMS
            assert int(answer.headers["retry-after"]) > 0
        else:
            assert answer.status in DECIDED, f"{said.key}: {answer.status} {answer.body!r}"


def assert_same(record: dict[str, Any], row: dict[str, Any] | None, source: str) -> None:
    """The answered record is the ledger's."""
    assert row is not None, f"{source}: record {record['record_id']} was answered and is not there"
    permission = record["permission"]
    told = [*(record[name] for name in ANSWERED), permission["allowed"], permission["reason"]]
    assert told == [as_json(row[name]) for name in (*ANSWERED, "allowed", "reason")], source


def as_json(value: Any) -> Any:
    """A column's value as an answer has it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


async def outbox_rows(database: TestDatabase) -> int:
    """How many events are not published yet."""
    connection = await database.connect()
    try:
        return int(await connection.fetchval("select count(*) from outbox"))
    finally:
        await connection.close()


async def drained(database: TestDatabase) -> None:
    """Return once the outbox is empty."""
    connection = await database.connect()
    try:

        async def empty() -> bool:
            return bool(await connection.fetchval("select not exists (select from outbox)"))

        await eventually(empty, DRAIN_S)
    finally:
        await connection.close()


async def ends_told(database: TestDatabase) -> None:
    """Return once nothing stands that has ended, or soon will."""
    connection = await database.connect()
    try:

        async def none_left() -> bool:
            return not await connection.fetchval(ENDING)

        await eventually(none_left, SWEEP_S)
    finally:
        await connection.close()


async def check_stream(database: TestDatabase, bootstrap: str) -> None:
    """The service's own comparison of stream and ledger finds no fault either, and nothing that still waits."""
    async with opened(database, "consent_auditor") as auditor:
        report = await verify_stream(auditor, bootstrap)
    assert report.faults == []
    assert (report.waiting, report.waiting_states, report.being_filled) == (0, 0, 0)


async def read_events(bootstrap: str, topic: str) -> list[ReceivedChange]:
    """Every change on the topic, partition by partition, in order."""
    async with consumer(bootstrap) as reader:
        messages = await read_to_end(reader, topic)
    return [read_change(message) for message in messages if not is_heartbeat(message)]


def check_events(events: list[ReceivedChange], rows: list[dict[str, Any]], *, repetitions: bool) -> None:
    """The events are the records, in order per person. With `repetitions`, as a consumer sees them that drops what it
    has (R27), and every repetition says what was said before."""
    told: dict[str, tuple[Any, ...]] = {}
    for event in events:
        facts = tuple(getattr(event.change, name) for name in PUBLISHED)
        assert told.setdefault(event.event_id, facts) == facts
    assert told == {str(row["record_id"]): tuple(row[name] for name in PUBLISHED) for row in rows}
    heads: dict[UUID, int] = {}
    for row in rows:
        heads[row["subject_id"]] = row["sequence"]
    orders = by_subject(event.change for event in events)
    if repetitions:
        orders = {subject_id: without_repetition(found) for subject_id, found in orders.items()}
    assert orders == {subject_id: list(range(1, last + 1)) for subject_id, last in heads.items()}


async def read_states(bootstrap: str, topic: str) -> dict[tuple[UUID, str | None], ConsentState]:
    """What stands on the topic at last, for each subject and purpose."""
    async with consumer(bootstrap) as reader:
        messages = await read_to_end(reader, topic)
    read = [read_state(message) for message in messages if not is_heartbeat(message)]
    return {(state.subject_id, state.purpose): state for state in read if state is not None}


def check_states(states: dict[tuple[UUID, str | None], ConsentState], rows: list[dict[str, Any]]) -> None:
    """Every state is what the last record about it led to."""
    told = {key: [getattr(state, name) for name in STOOD] for key, state in states.items()}
    last = {(row["subject_id"], row["purpose"]): [row[name] for name in STOOD] for row in rows}
    pairs = {*told, *last}
    assert {
        pair: (told.get(pair), last.get(pair)) for pair in pairs if told.get(pair) != last.get(pair)
    } == {}
