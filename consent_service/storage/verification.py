"""Reading all that a verification compares, a range of persons at a time, as role consent_auditor (R21, R22).

A range is of one controller, after one subject_id up to and including another: in the order of the primary keys, so
that every statement walks an index and neither side ever holds more than a page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.records import SubjectFlags
from consent_service.storage.database import Connection

#: Before every person; it is nobody's id.
START = UUID(int=0)

_RECORD_ROWS_FETCHED = 200


class Head(msgspec.Struct, frozen=True):
    """A person's row: since when they are known, where their chain ends, and their flags."""

    created_at: datetime
    last_sequence: int
    last_hash: bytes | None
    last_recorded_at: datetime | None
    flags: SubjectFlags


class FoundPerson(msgspec.Struct, frozen=True):
    """A person of whom any of the ledger's tables knows. `head` is null where their own row is not there."""

    controller: str
    subject_id: UUID
    head: Head | None
    key_id: str | None
    sealed_key: bytes | None


class FoundRecord(msgspec.Struct, frozen=True):
    """A record as it lies there, every value unread: whoever forged it need not have kept to our vocabulary."""

    subject_id: UUID
    sequence: int
    purpose: str | None
    recorded_at: datetime
    previous_hash: bytes
    record_hash: bytes
    columns: tuple[Any, ...]
    """All 30, as `record_from_row` takes them."""
    sealed: bytes | None


class FoundState(msgspec.Struct, frozen=True):
    """A state as it lies there, unread; `columns` by name, preferences as raw JSON."""

    purpose: str
    columns: dict[str, Any]


@asynccontextmanager
async def snapshot(connection: Connection) -> AsyncIterator[None]:
    """While the block runs, every statement sees the database as of one moment, so that nothing half-written shows."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield


_COUNT = "select count(*) from subjects where $1::text is null or controller = $1"


async def count_persons(connection: Connection, controller: str | None) -> int:
    """How many persons' rows there are, of one controller or of all."""
    counted: int = await connection.fetchval(_COUNT, controller)
    return counted


# A controller that the catalogue does not know may still have rows; so each table is asked.
_NEXT_CONTROLLER = """
    select min(controller)
    from (select min(controller) as controller from subjects where controller > $1
          union all
          select min(controller) from records where controller > $1
          union all
          select min(controller) from states where controller > $1
          union all
          select min(controller) from record_details where controller > $1) as known
"""


async def next_controller(connection: Connection, after: str) -> str | None:
    """The next controller of whom there is anything, in the order of their slugs; an empty text begins."""
    following: str | None = await connection.fetchval(_NEXT_CONTROLLER, after)
    return following


# And a person whose own row was taken away shows in the other tables.
_PERSONS = """
    with known as (
        (select subject_id
         from subjects
         where controller = $1
           and subject_id > $2
         order by subject_id
         limit $3)
        union
        (select distinct subject_id
         from records
         where controller = $1
           and subject_id > $2
         order by subject_id
         limit $3)
        union
        (select distinct subject_id
         from states
         where controller = $1
           and subject_id > $2
         order by subject_id
         limit $3)
        union
        (select distinct subject_id
         from record_details
         where controller = $1
           and subject_id > $2
         order by subject_id
         limit $3)
        order by subject_id
        limit $3
    )
    select known.subject_id, subjects.subject_id is not null as found,
           subjects.last_sequence, subjects.last_hash, subjects.last_recorded_at,
           subjects.erased_at, subjects.suppressed_at, subjects.restricted_at,
           subject_keys.key_id, subject_keys.sealed_key, subjects.created_at
    from known
    left join subjects
        on subjects.controller = $1
       and subjects.subject_id = known.subject_id
    left join subject_keys
        on subject_keys.controller = $1
       and subject_keys.subject_id = known.subject_id
    order by known.subject_id
"""


async def read_persons(connection: Connection, controller: str, after: UUID, limit: int) -> list[FoundPerson]:
    """The controller's next persons after that one; empty at the end."""
    rows = await connection.fetch(_PERSONS, controller, after, limit)
    return [
        FoundPerson(
            controller=controller,
            subject_id=row[0],
            head=Head(row[10], row[2], row[3], row[4], SubjectFlags(row[5], row[6], row[7]))
            if row[1]
            else None,
            key_id=row[8],
            sealed_key=row[9],
        )
        for row in rows
    ]


# The range is said of both sides, since no planner concludes it for the other through the join.
_RECORDS = """
    select records.record_id, records.controller, records.subject_id, records.sequence, records.purpose,
           records.command, records.status, records.version, records.governing_version, records.recorded_at,
           records.occurred_at, records.effective_at, records.until, records.allowed, records.reason, records.cause,
           records.superseded, records.preferences, records.language, records.notice_hash, records.channel,
           records.source, records.choice_id, records.screen_hash, records.actor_commitment,
           records.evidence_commitment, records.previous_hash, records.record_hash, records.standing_version,
           records.standing_preferences, record_details.sealed
    from records
    left join record_details
        on record_details.controller = records.controller
       and record_details.subject_id = records.subject_id
       and record_details.record_id = records.record_id
       and record_details.controller = $1
       and record_details.subject_id > $2
       and record_details.subject_id <= $3
    where records.controller = $1
      and records.subject_id > $2
      and records.subject_id <= $3
    order by records.subject_id, records.sequence
"""


async def stream_records(
    connection: Connection, controller: str, after: UUID, last: UUID
) -> AsyncIterator[FoundRecord]:
    """Every record of the persons in the range, in their order and by sequence; inside a `snapshot`."""
    async for row in connection.cursor(_RECORDS, controller, after, last, prefetch=_RECORD_ROWS_FETCHED):
        yield FoundRecord(
            subject_id=row["subject_id"],
            sequence=row["sequence"],
            purpose=row["purpose"],
            recorded_at=row["recorded_at"],
            previous_hash=row["previous_hash"],
            record_hash=row["record_hash"],
            columns=tuple(row)[:-1],
            sealed=row["sealed"],
        )


_STATES = """
    select subject_id, purpose, status, command, version, record_id, sequence, since, until, effective_at, preferences,
           preferences_record_id, granted_versions
    from states
    where controller = $1
      and subject_id > $2
      and subject_id <= $3
"""


async def read_found_states(
    connection: Connection, controller: str, after: UUID, last: UUID
) -> dict[UUID, list[FoundState]]:
    """What is said to stand for the persons in the range."""
    found: dict[UUID, list[FoundState]] = {}
    for row in await connection.fetch(_STATES, controller, after, last):
        columns = dict(row)
        subject_id = columns.pop("subject_id")
        found.setdefault(subject_id, []).append(FoundState(columns.pop("purpose"), columns))
    return found


# Two sets, each read once. `not exists` was planned, where the tables had not been analyzed yet, as a look through all
# of a person's records for each of their details: a minute for eight persons with two thousand records each.
_STRAYS = """
    select subject_id, count(*)
    from (select subject_id, record_id
          from record_details
          where controller = $1
            and subject_id > $2
            and subject_id <= $3
          except
          select subject_id, record_id
          from records
          where controller = $1
            and subject_id > $2
            and subject_id <= $3) as stray
    group by subject_id
"""


async def count_stray_details(
    connection: Connection, controller: str, after: UUID, last: UUID
) -> dict[UUID, int]:
    """How many details belong to no record, for each person in the range that has such."""
    rows: list[asyncpg.Record] = await connection.fetch(_STRAYS, controller, after, last)
    return {row[0]: row[1] for row in rows}


_REMOVALS = """
    select subject_id, action, details ->> 'record_id'
    from audit
    where controller = $1
      and subject_id > $2
      and subject_id <= $3
      and action = any($4::text[])
"""


class Removals(msgspec.Struct):
    """What the audit says was rightly removed of one person: all details, or those of these records (text ids).

    All by AuditAction.PERSON_ERASED, one record's by DETAILS_REMOVED with its `record_id`.
    """

    everything: bool = False
    record_ids: set[str] = set()


async def read_removals(
    connection: Connection, controller: str, after: UUID, last: UUID
) -> dict[UUID, Removals]:
    """The removals that the audit tells of, for each person in the range that has such."""
    removals: dict[UUID, Removals] = {}
    actions = [AuditAction.DETAILS_REMOVED, AuditAction.PERSON_ERASED]
    for subject_id, action, record_id in await connection.fetch(_REMOVALS, controller, after, last, actions):
        told = removals.setdefault(subject_id, Removals())
        if action == AuditAction.PERSON_ERASED:
            told.everything = True
        elif record_id is not None:
            told.record_ids.add(record_id)
    return removals
