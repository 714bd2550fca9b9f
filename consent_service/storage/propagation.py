"""Duties and acknowledgements: who must act on which record, and what recipients said about it (R34)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from consent_service.domain.propagation import SETTLING, AckOutcome, Duty, Reached, Word
from consent_service.domain.records import Record
from consent_service.storage.database import Connection


class NewDuty(NamedTuple):
    """A recipient's duty to act on a record."""

    record: Record
    duty: Duty


class Judged(msgspec.Struct, frozen=True):
    """A word that is believed, with what of the record it is about."""

    word: Word
    reached: Reached


class Settled(msgspec.Struct, frozen=True):
    """A duty that a word has ended."""

    controller: str
    recipient: str
    owed_since: datetime


_INSERT = """
    insert into duties (
        controller, subject_id, sequence, recipient, purpose, record_id, allowed, owed_since, due_at)
    select controller, subject_id, sequence, recipient, purpose, record_id, allowed, owed_since, due_at
    from unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::uuid[], $7::boolean[],
                $8::timestamptz[], $9::timestamptz[])
        as owed (controller, subject_id, sequence, recipient, purpose, record_id, allowed, owed_since, due_at)
"""

_REACHED = """
    select named.place, records.subject_id, records.sequence, records.purpose, records.allowed
    from unnest($1::text[], $2::uuid[]) with ordinality as named (controller, record_id, place)
    join records
        on records.controller = named.controller
       and records.record_id = named.record_id
"""

# A word is kept once, however often it comes. A duty is settled by the first word that settles it, of its own record or
# of a later one; where there is none, the last promise moves it. A word about the person as a whole is about all of the
# recipient's purposes.
_KEEP = """
    with said as materialized (
        select controller, subject_id, sequence, recipient, outcome, due_at, purpose, record_id, acknowledgement_id, at,
               settles, place
        from unnest($2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[], $8::text[],
                    $9::uuid[], $10::uuid[], $11::timestamptz[], $12::boolean[])
            with ordinality as words (
                controller, subject_id, sequence, recipient, outcome, due_at, purpose, record_id, acknowledgement_id,
                at, settles, place)
    ), kept as (
        insert into acknowledgements (
            controller, subject_id, sequence, recipient, outcome, due_at, purpose, record_id, acknowledgement_id, at,
            received_at)
        select controller, subject_id, sequence, recipient, outcome, due_at, purpose, record_id, acknowledgement_id, at,
               $1
        from said
        order by subject_id, sequence, recipient, outcome, due_at
        on conflict on constraint acknowledgements_once do nothing
    ), concerned as (
        select distinct on (duties.controller, duties.subject_id, duties.sequence, duties.recipient)
               duties.controller, duties.subject_id, duties.sequence, duties.recipient, said.outcome, said.due_at,
               said.record_id, said.at, said.settles
        from said
        join duties
            on duties.controller = said.controller
           and duties.subject_id = said.subject_id
           and duties.sequence <= said.sequence
           and duties.recipient = said.recipient
           and (said.purpose is null or duties.purpose = said.purpose)
        where duties.settled_at is null
          and (said.settles or said.due_at is not null)
        order by duties.controller, duties.subject_id, duties.sequence, duties.recipient, said.settles desc,
                 case when said.settles then said.place else -said.place end
    ), changed as (
        update duties
        set settled_at = case when concerned.settles then $1 end,
            settled_by = case when concerned.settles then concerned.record_id end,
            outcome = case when concerned.settles then concerned.outcome end,
            acknowledged_at = case when concerned.settles then concerned.at end,
            due_at = case when concerned.settles then duties.due_at else concerned.due_at end,
            noticed_at = case when concerned.settles or concerned.due_at = duties.due_at then duties.noticed_at end
        from concerned
        where duties.controller = concerned.controller
          and duties.subject_id = concerned.subject_id
          and duties.sequence = concerned.sequence
          and duties.recipient = concerned.recipient
          and duties.settled_at is null
        returning duties.controller, duties.recipient, duties.owed_since, duties.settled_at
    )
    select controller, recipient, owed_since
    from changed
    where settled_at is not null
"""

_DUTIES = """
    select recipient, owed_since, due_at, settled_at, settled_by, outcome, acknowledged_at
    from duties
    where controller = $1
      and subject_id = $2
      and sequence = $3
    order by recipient
"""

_WORDS = """
    select recipient, outcome, at, received_at, due_at, acknowledgement_id
    from acknowledgements
    where controller = $1
      and subject_id = $2
      and sequence = $3
    order by received_at, outcome
"""


class DutyRow(msgspec.Struct, frozen=True):
    """What one recipient owes, or owed, about one record. `settled_by` is the record that the settling word named."""

    recipient: str
    owed_since: datetime
    due_at: datetime
    settled_at: datetime | None
    settled_by: UUID | None
    outcome: AckOutcome | None
    acknowledged_at: datetime | None


class WordRow(msgspec.Struct, frozen=True):
    """One word about one record, as it was kept."""

    recipient: str
    outcome: AckOutcome
    at: datetime
    received_at: datetime
    due_at: datetime | None
    acknowledgement_id: UUID | None


async def insert_duties(connection: Connection, owed: Sequence[NewDuty]) -> None:
    """In the transaction of the records that owe them."""
    records = [one.record for one in owed]
    await connection.execute(
        _INSERT,
        [one.controller for one in records],
        [one.subject_id for one in records],
        [one.sequence for one in records],
        [one.duty.recipient for one in owed],
        [one.purpose for one in records],
        [one.record_id for one in records],
        [one.allowed for one in records],
        [one.recorded_at for one in records],
        [one.duty.due_at for one in owed],
    )


async def read_reached(connection: Connection, named: Sequence[tuple[str, UUID]]) -> list[Reached | None]:
    """The records of these (controller, record), in their order; None where the controller has no such record."""
    rows = await connection.fetch(_REACHED, [one[0] for one in named], [one[1] for one in named])
    found = {row[0]: Reached(row[1], row[2], row[3], row[4]) for row in rows}
    return [found.get(place) for place in range(1, len(named) + 1)]


async def keep_words(connection: Connection, judged: Sequence[Judged], now: datetime) -> list[Settled]:
    """Keep what was said, in the order it was said, and end what it settles."""
    words = [one.word for one in judged]
    rows = await connection.fetch(
        _KEEP,
        now,
        [one.controller for one in words],
        [one.reached.subject_id for one in judged],
        [one.reached.sequence for one in judged],
        [one.recipient for one in words],
        [one.outcome for one in words],
        [one.due_at for one in words],
        [one.reached.purpose for one in judged],
        [one.record_id for one in words],
        [one.acknowledgement_id for one in words],
        [one.at for one in words],
        [one.outcome in SETTLING for one in words],
    )
    return [Settled(*row) for row in rows]


async def read_propagation(
    connection: Connection, controller: str, subject_id: UUID, sequence: int
) -> tuple[list[DutyRow], list[WordRow]]:
    """Who owes, or owed, about one record; and every word about it, in the order it came."""
    duties = await connection.fetch(_DUTIES, controller, subject_id, sequence)
    words = await connection.fetch(_WORDS, controller, subject_id, sequence)
    return (
        [msgspec.convert(dict(row), DutyRow) for row in duties],
        [msgspec.convert(dict(row), WordRow) for row in words],
    )
