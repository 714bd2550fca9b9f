"""Reading all that a verification compares, a range of persons at a time, as role consent_auditor (R21, R22).

A range lies after one (controller, subject_id) up to and including another, in the order of the primary keys, so
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

from consent_service.domain.records import SubjectFlags
from consent_service.storage.database import Connection

#: The audit's actions that excuse missing details: of the one record whose `record_id` they name, or of a person.
DETAILS_REMOVED = "details.removed"
PERSON_ERASED = "person.erased"

Place = tuple[str, UUID]

#: Before every person.
START: Place = ("", UUID(int=0))

_RECORD_ROWS_FETCHED = 200


class Head(msgspec.Struct, frozen=True):
    """A person's row: where their chain ends, and their flags."""

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

    @property
    def place(self) -> Place:
        return (self.controller, self.subject_id)


class FoundRecord(msgspec.Struct, frozen=True):
    """A record as it lies there, every value unread: whoever forged it need not have kept to our vocabulary."""

    place: Place
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

    place: Place
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


# A person whose own row was taken away still shows in the others; so each table is asked.
_PERSONS = """
    with known as (
        (select controller, subject_id
         from subjects
         where (controller, subject_id) > ($1::text, $2::uuid)
           and ($3::text is null or controller = $3)
         order by controller, subject_id
         limit $4)
        union
        (select distinct controller, subject_id
         from records
         where (controller, subject_id) > ($1::text, $2::uuid)
           and ($3::text is null or controller = $3)
         order by controller, subject_id
         limit $4)
        union
        (select distinct controller, subject_id
         from states
         where (controller, subject_id) > ($1::text, $2::uuid)
           and ($3::text is null or controller = $3)
         order by controller, subject_id
         limit $4)
        union
        (select distinct controller, subject_id
         from record_details
         where (controller, subject_id) > ($1::text, $2::uuid)
           and ($3::text is null or controller = $3)
         order by controller, subject_id
         limit $4)
        order by controller, subject_id
        limit $4
    )
    select known.controller, known.subject_id, subjects.subject_id is not null as found,
           subjects.last_sequence, subjects.last_hash, subjects.last_recorded_at,
           subjects.erased_at, subjects.suppressed_at, subjects.restricted_at,
           subject_keys.key_id, subject_keys.sealed_key
    from known
    left join subjects
        on subjects.controller = known.controller
       and subjects.subject_id = known.subject_id
    left join subject_keys
        on subject_keys.controller = known.controller
       and subject_keys.subject_id = known.subject_id
    order by known.controller, known.subject_id
"""


async def read_persons(
    connection: Connection, after: Place, controller: str | None, limit: int
) -> list[FoundPerson]:
    """The next persons after that place, of one controller or of all; empty at the end."""
    rows = await connection.fetch(_PERSONS, *after, controller, limit)
    return [
        FoundPerson(
            controller=row[0],
            subject_id=row[1],
            head=Head(row[3], row[4], row[5], SubjectFlags(row[6], row[7], row[8])) if row[2] else None,
            key_id=row[9],
            sealed_key=row[10],
        )
        for row in rows
    ]


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
    where (records.controller, records.subject_id) > ($1::text, $2::uuid)
      and (records.controller, records.subject_id) <= ($3::text, $4::uuid)
    order by records.controller, records.subject_id, records.sequence
"""


async def stream_records(connection: Connection, after: Place, last: Place) -> AsyncIterator[FoundRecord]:
    """Every record of the persons in the range, in their order and by sequence; inside a `snapshot`."""
    async for row in connection.cursor(_RECORDS, *after, *last, prefetch=_RECORD_ROWS_FETCHED):
        yield FoundRecord(
            place=(row["controller"], row["subject_id"]),
            sequence=row["sequence"],
            purpose=row["purpose"],
            recorded_at=row["recorded_at"],
            previous_hash=row["previous_hash"],
            record_hash=row["record_hash"],
            columns=tuple(row)[:-1],
            sealed=row["sealed"],
        )


_STATES = """
    select controller, subject_id, purpose, status, command, version, record_id, sequence, since, until, effective_at,
           preferences, preferences_record_id
    from states
    where (controller, subject_id) > ($1::text, $2::uuid)
      and (controller, subject_id) <= ($3::text, $4::uuid)
"""


async def read_found_states(
    connection: Connection, after: Place, last: Place
) -> dict[Place, list[FoundState]]:
    """What is said to stand for the persons in the range."""
    found: dict[Place, list[FoundState]] = {}
    for row in await connection.fetch(_STATES, *after, *last):
        columns = dict(row)
        place = (columns.pop("controller"), columns.pop("subject_id"))
        found.setdefault(place, []).append(FoundState(place, columns.pop("purpose"), columns))
    return found


_STRAYS = """
    select controller, subject_id, count(*)
    from record_details
    where (controller, subject_id) > ($1::text, $2::uuid)
      and (controller, subject_id) <= ($3::text, $4::uuid)
      and not exists (
          select
          from records
          where records.controller = record_details.controller
            and records.subject_id = record_details.subject_id
            and records.record_id = record_details.record_id)
    group by controller, subject_id
"""


async def count_stray_details(connection: Connection, after: Place, last: Place) -> dict[Place, int]:
    """How many details belong to no record, for each person in the range that has such."""
    rows: list[asyncpg.Record] = await connection.fetch(_STRAYS, *after, *last)
    return {(row[0], row[1]): row[2] for row in rows}


_REMOVALS = """
    select controller, subject_id, action, details ->> 'record_id'
    from audit
    where (controller, subject_id) > ($1::text, $2::uuid)
      and (controller, subject_id) <= ($3::text, $4::uuid)
      and subject_id is not null
      and action = any($5::text[])
"""


class Removals(msgspec.Struct):
    """What the audit says was rightly removed of one person: all details, or those of these records (text ids)."""

    everything: bool = False
    record_ids: set[str] = set()


async def read_removals(connection: Connection, after: Place, last: Place) -> dict[Place, Removals]:
    """The removals that the audit tells of, for each person in the range that has such."""
    removals: dict[Place, Removals] = {}
    actions = [DETAILS_REMOVED, PERSON_ERASED]
    for controller, subject_id, action, record_id in await connection.fetch(
        _REMOVALS, *after, *last, actions
    ):
        told = removals.setdefault((controller, subject_id), Removals())
        if action == PERSON_ERASED:
            told.everything = True
        elif record_id is not None:
            told.record_ids.add(record_id)
    return removals
