"""Writing the ledger: what one transaction appends, in one statement each (ARCHITECTURE, the write path)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
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


class HeadPut(msgspec.Struct, frozen=True):
    """A subject's chain after its new records."""

    controller: str
    subject_id: UUID
    last_sequence: int
    last_hash: bytes
    last_recorded_at: datetime


class DetailPut(msgspec.Struct, frozen=True):
    controller: str
    subject_id: UUID
    record_id: UUID
    sealed: bytes


class Pointer(msgspec.Struct, frozen=True):
    """An outbox row: where the relay finds what to publish (CORE 20)."""

    controller: str
    subject_id: UUID
    sequence: int
    shard: int
    traceparent: str | None


_INSERT_RECORDS = """
    insert into records (
        record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
        recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
        notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
        previous_hash, record_hash, standing_version, standing_preferences)
    select record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
           recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
           notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
           previous_hash, record_hash, standing_version, standing_preferences
    from unnest(
        $1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::int[], $9::int[],
        $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::boolean[], $15::text[],
        $16::text[], $17::boolean[], $18::jsonb[], $19::text[], $20::bytea[], $21::text[], $22::text[], $23::text[],
        $24::bytea[], $25::bytea[], $26::bytea[], $27::bytea[], $28::bytea[], $29::int[], $30::jsonb[])
        as new (
            record_id, controller, subject_id, sequence, purpose, command, status, version, governing_version,
            recorded_at, occurred_at, effective_at, until, allowed, reason, cause, superseded, preferences, language,
            notice_hash, channel, source, choice_id, screen_hash, actor_commitment, evidence_commitment,
            previous_hash, record_hash, standing_version, standing_preferences)
"""

_MOVE_HEADS = """
    update subjects
    set last_sequence = moved.last_sequence,
        last_hash = moved.last_hash,
        last_recorded_at = moved.last_recorded_at
    from unnest($1::text[], $2::uuid[], $3::bigint[], $4::bytea[], $5::timestamptz[])
        as moved (controller, subject_id, last_sequence, last_hash, last_recorded_at)
    where subjects.controller = moved.controller
      and subjects.subject_id = moved.subject_id
"""

_INSERT_DETAILS = """
    insert into record_details (controller, subject_id, record_id, sealed)
    select controller, subject_id, record_id, sealed
    from unnest($1::text[], $2::uuid[], $3::uuid[], $4::bytea[]) as new (controller, subject_id, record_id, sealed)
"""

_PUT_STATES = """
    insert into states (
        controller, subject_id, purpose, status, command, version, record_id, sequence, since, until, effective_at,
        preferences, preferences_record_id)
    select controller, subject_id, purpose, status, command, version, record_id, sequence, since, until,
           effective_at, preferences, preferences_record_id
    from unnest(
        $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::uuid[], $8::bigint[],
        $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::jsonb[], $13::uuid[])
        as new (
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
"""

# Positions are given in the order of the rows, so that within a subject they follow the sequence (R30).
_STAGE = """
    insert into outbox (kind, controller, subject_id, sequence, shard, traceparent)
    select 'record', controller, subject_id, sequence, shard, traceparent
    from unnest($1::text[], $2::uuid[], $3::bigint[], $4::smallint[], $5::text[]) with ordinality
        as new (controller, subject_id, sequence, shard, traceparent, place)
    order by place
"""

_REVISIONS = """
    select controller, revision
    from controllers
    where controller = any($1::text[])
"""

_EPOCH = "select max(epoch) from ledger_epoch"

_RECORD_FIELDS = tuple(field.name for field in msgspec.structs.fields(Record))


def _columns(rows: Iterable[Any], names: Sequence[str]) -> list[list[Any]]:
    listed = list(rows)
    return [[getattr(row, name) for row in listed] for name in names]


async def insert_records(connection: Connection, records: Sequence[Record]) -> None:
    """Append skeletons. The primary key refuses a sequence that stands already."""
    await connection.execute(_INSERT_RECORDS, *_columns(records, _RECORD_FIELDS))


async def move_heads(connection: Connection, heads: Sequence[HeadPut]) -> None:
    await connection.execute(
        _MOVE_HEADS,
        *_columns(heads, ("controller", "subject_id", "last_sequence", "last_hash", "last_recorded_at")),
    )


async def insert_details(connection: Connection, details: Sequence[DetailPut]) -> None:
    await connection.execute(
        _INSERT_DETAILS, *_columns(details, ("controller", "subject_id", "record_id", "sealed"))
    )


async def put_states(connection: Connection, puts: Sequence[StatePut]) -> None:
    """Store what stands now; at most one row a pair."""
    states = [put.state for put in puts]
    await connection.execute(
        _PUT_STATES,
        *_columns(puts, ("controller", "subject_id", "purpose")),
        *_columns(states, ("status", "command", "version", "record_id")),
        [put.sequence for put in puts],
        *_columns(states, ("since", "until", "latest_at", "preferences", "preferences_record_id")),
    )


async def stage(connection: Connection, pointers: Sequence[Pointer]) -> None:
    """Put the new records before the relay, in their order."""
    await connection.execute(
        _STAGE, *_columns(pointers, ("controller", "subject_id", "sequence", "shard", "traceparent"))
    )


async def read_revisions(connection: Connection, controllers: Collection[str]) -> dict[str, int]:
    """How often each controller's catalogue has changed: whether a copy in memory is old."""
    rows = await connection.fetch(_REVISIONS, list(controllers))
    return {row[0]: row[1] for row in rows}


async def read_epoch(connection: Connection) -> int:
    """The ledger's epoch in force (R31)."""
    epoch: int = await connection.fetchval(_EPOCH)
    return epoch
