"""Writing the ledger: what one transaction appends, in one statement each (ARCHITECTURE, the write path)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.records import Record, State
from consent_service.storage.database import Connection


class StatePut(msgspec.Struct, frozen=True):
    """A state to store; `sequence` is that of the pair's latest record."""

    controller: str
    subject_id: UUID
    purpose: str
    sequence: int
    state: State


class Append(msgspec.Struct, frozen=True):
    """A record to append with its sealed details; `is_last` marks the subject's last in the batch."""

    record: Record
    sealed: bytes
    shard: int
    traceparent: str | None
    is_last: bool


# One statement, so one way to the server and back: skeletons, details, the subjects' heads, states, and the pointers
# for the relay. These are given positions in the order of the rows, so that within a subject they follow the
# sequence (R30). `unnest` fills an array that is too short with nulls: a column without a value goes as an empty one.
_APPEND = """
    with new as materialized (
        select record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
               recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
               notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
               previous_hash, record_hash, standing_version, standing_preferences,
               sealed, shard, traceparent, is_last, place
        from unnest(
            $1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::int[],
            $9::int[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
            $14::boolean[], $15::text[], $16::text[], $17::boolean[], $18::jsonb[], $19::text[], $20::bytea[],
            $21::text[], $22::text[], $23::text[], $24::bytea[], $25::bytea[], $26::bytea[], $27::bytea[],
            $28::bytea[], $29::int[], $30::jsonb[], $31::bytea[], $32::smallint[], $33::text[], $34::boolean[])
            with ordinality as given (
                record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
                recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences,
                language, notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
                previous_hash, record_hash, standing_version, standing_preferences,
                sealed, shard, traceparent, is_last, place)
    ), appended as (
        insert into records (
            record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
            recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
            notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
            previous_hash, record_hash, standing_version, standing_preferences)
        select record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
               recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
               notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
               previous_hash, record_hash, standing_version, standing_preferences
        from new
    ), detailed as (
        insert into record_details (controller, subject_id, record_id, sealed)
        select controller, subject_id, record_id, sealed
        from new
    ), moved as (
        update subjects
        set last_sequence = new.sequence,
            last_hash = new.record_hash,
            last_recorded_at = new.recorded_at
        from new
        where new.is_last
          and subjects.controller = new.controller
          and subjects.subject_id = new.subject_id
    ), stated as (
        insert into states (
            controller, subject_id, purpose, status, command, version, record_id, sequence, since, until,
            effective_at, preferences, preferences_record_id)
        select controller, subject_id, purpose, status, command, version, record_id, sequence, since, until,
               effective_at, preferences, preferences_record_id
        from unnest(
            $35::text[], $36::uuid[], $37::text[], $38::text[], $39::text[], $40::int[], $41::uuid[], $42::bigint[],
            $43::timestamptz[], $44::timestamptz[], $45::timestamptz[], $46::jsonb[], $47::uuid[])
            as put (
                controller, subject_id, purpose, status, command, version, record_id, sequence, since, until,
                effective_at, preferences, preferences_record_id)
        on conflict (controller, subject_id, purpose) do update
        set status = excluded.status,
            command = excluded.command,
            version = excluded.version,
            record_id = excluded.record_id,
            sequence = excluded.sequence,
            since = excluded.since,
            until = excluded.until,
            effective_at = excluded.effective_at,
            preferences = excluded.preferences,
            preferences_record_id = excluded.preferences_record_id
    )
    insert into outbox (kind, controller, subject_id, sequence, shard, traceparent)
    select 'record', controller, subject_id, sequence, shard, traceparent
    from new
    order by place
"""

_REVISIONS = """
    select controller, revision
    from controllers
    where controller = any($1::text[])
"""

_RECORD_FIELDS = tuple(field.name for field in msgspec.structs.fields(Record))


async def append(connection: Connection, appends: Sequence[Append], puts: Sequence[StatePut]) -> None:
    """Append records in their order, with all that goes with them; at most one state a pair.

    The primary key refuses a sequence that stands already (UniqueViolationError).
    """
    records = [one.record for one in appends]
    states = [put.state for put in puts]
    await connection.execute(
        _APPEND,
        *_columns(records, _RECORD_FIELDS),
        *_columns(appends, ("sealed", "shard", "traceparent", "is_last")),
        *_columns(puts, ("controller", "subject_id", "purpose")),
        *_columns(states, ("status", "command", "version", "record_id")),
        [put.sequence for put in puts],
        *_columns(states, ("since", "until", "latest_at", "preferences", "preferences_record_id")),
    )


def _columns(rows: Sequence[Any], names: Sequence[str]) -> list[list[Any]]:
    """One list a column; an empty one where every value is null."""
    columns = [list(map(attrgetter(name), rows)) for name in names]
    return [column if any(value is not None for value in column) else [] for column in columns]


async def read_revisions(connection: Connection, controllers: Collection[str]) -> dict[str, int]:
    """How often each controller's catalogue has changed: whether a copy in memory is old."""
    rows = await connection.fetch(_REVISIONS, list(controllers))
    return {row[0]: row[1] for row in rows}
