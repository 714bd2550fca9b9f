"""Reading the ledger: facts to fold, pages of history, one record with its details (R15, R18, CORE 9)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.records import Fact, Record
from consent_service.domain.values import Cause, Channel, Command, Reason, Status
from consent_service.storage.database import Connection
from consent_service.storage.states import read_preferences


class StoredRecord(msgspec.Struct, frozen=True):
    """A record with its details as sealed, and what opens them; null once removed."""

    record: Record
    sealed: bytes | None
    key_id: str | None
    sealed_key: bytes | None


_READ_FACTS = """
    select subject_id, purpose, record_id, sequence, command, version, governing_version, effective_at, preferences,
           cause
    from records
    where controller = $1
      and subject_id = any($2::uuid[])
      and purpose is not null
      and ($3::timestamptz is null or recorded_at <= $3)
    order by subject_id, sequence
"""

_HISTORY = """
    select records.record_id, records.controller, records.subject_id, records.sequence, records.purpose,
           records.command, records.status, records.version, records.governing_version, records.recorded_at,
           records.occurred_at, records.effective_at, records.until, records.allowed, records.reason, records.cause,
           records.superseded, records.preferences, records.language, records.notice_hash, records.channel,
           records.source, records.choice_id, records.screen_hash, records.actor_commitment,
           records.evidence_commitment, records.previous_hash, records.record_hash, records.standing_version,
           records.standing_preferences,
           record_details.sealed, subject_keys.key_id, subject_keys.sealed_key
    from records
    left join record_details
        on record_details.controller = records.controller
       and record_details.subject_id = records.subject_id
       and record_details.record_id = records.record_id
    left join subject_keys
        on subject_keys.controller = records.controller
       and subject_keys.subject_id = records.subject_id
    where records.controller = $1
      and records.subject_id = $2
      and records.sequence > $3
      and ($4::text is null or records.purpose = $4)
      and ($5::timestamptz is null or records.recorded_at <= $5)
    order by records.sequence
    limit $6
"""

_BY_ID = """
    select records.record_id, records.controller, records.subject_id, records.sequence, records.purpose,
           records.command, records.status, records.version, records.governing_version, records.recorded_at,
           records.occurred_at, records.effective_at, records.until, records.allowed, records.reason, records.cause,
           records.superseded, records.preferences, records.language, records.notice_hash, records.channel,
           records.source, records.choice_id, records.screen_hash, records.actor_commitment,
           records.evidence_commitment, records.previous_hash, records.record_hash, records.standing_version,
           records.standing_preferences,
           record_details.sealed, subject_keys.key_id, subject_keys.sealed_key
    from records
    left join record_details
        on record_details.controller = records.controller
       and record_details.subject_id = records.subject_id
       and record_details.record_id = records.record_id
    left join subject_keys
        on subject_keys.controller = records.controller
       and subject_keys.subject_id = records.subject_id
    where records.controller = $1
      and records.record_id = any($2::uuid[])
"""

_RECORD_COLUMNS = 30


def record_from_row(row: Sequence[Any]) -> Record:
    """The 30 columns of a record in their order, as any statement that selects them gives them."""
    return Record(
        record_id=row[0],
        controller=row[1],
        subject_id=row[2],
        sequence=row[3],
        purpose=row[4],
        command=Command(row[5]),
        status=None if row[6] is None else Status(row[6]),
        version=row[7],
        governing_version=row[8],
        recorded_at=row[9],
        occurred_at=row[10],
        effective_at=row[11],
        until=row[12],
        allowed=row[13],
        reason=None if row[14] is None else Reason(row[14]),
        cause=None if row[15] is None else Cause(row[15]),
        superseded=row[16],
        preferences=read_preferences(row[17]),
        language=row[18],
        notice_hash=row[19],
        channel=Channel(row[20]),
        source=row[21],
        choice_id=row[22],
        screen_hash=row[23],
        actor_commitment=row[24],
        evidence_commitment=row[25],
        previous_hash=row[26],
        record_hash=row[27],
        standing_version=row[28],
        standing_preferences=read_preferences(row[29]),
    )


def _stored(row: Sequence[Any]) -> StoredRecord:
    return StoredRecord(record_from_row(row[:_RECORD_COLUMNS]), *row[_RECORD_COLUMNS:])


async def read_facts(
    connection: Connection, controller: str, subject_ids: Collection[UUID], known_at: datetime | None = None
) -> dict[UUID, dict[str, list[Fact]]]:
    """Every fact about these subjects, by subject and purpose; with `known_at`, those recorded up to then (R18)."""
    rows = await connection.fetch(_READ_FACTS, controller, list(subject_ids), known_at)
    facts: dict[UUID, dict[str, list[Fact]]] = {}
    for row in rows:
        facts.setdefault(row[0], {}).setdefault(row[1], []).append(
            Fact(
                record_id=row[2],
                sequence=row[3],
                command=Command(row[4]),
                version=row[5],
                governing_version=row[6],
                effective_at=row[7],
                preferences=read_preferences(row[8]),
                cause=None if row[9] is None else Cause(row[9]),
            )
        )
    return facts


async def read_history(
    connection: Connection,
    controller: str,
    subject_id: UUID,
    *,
    after: int,
    purpose: str | None,
    known_at: datetime | None,
    limit: int,
) -> list[StoredRecord]:
    """A page of one subject's records, oldest first, from the sequence after `after`."""
    rows = await connection.fetch(_HISTORY, controller, subject_id, after, purpose, known_at, limit)
    return [_stored(tuple(row)) for row in rows]


async def read_records(
    connection: Connection, controller: str, record_ids: Collection[UUID]
) -> dict[UUID, StoredRecord]:
    rows = await connection.fetch(_BY_ID, controller, list(record_ids))
    return {row[0]: _stored(tuple(row)) for row in rows}
