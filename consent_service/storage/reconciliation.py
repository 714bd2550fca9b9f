"""What a comparison of the stream with the ledger asks the ledger, as role consent_auditor (R31).

Ranges of persons are walked in the order of the primary keys, so that neither side holds more than a page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.storage.database import Connection

_WAITING_ROWS_FETCHED = 1000

_EPOCH = "select max(epoch) from ledger_epoch"


async def read_epoch(connection: Connection) -> int:
    """The ledger's epoch in force."""
    epoch: int = await connection.fetchval(_EPOCH)
    return epoch


_COUNT_PERSONS = "select count(*) from subjects where controller = any ($1::text[]) and last_sequence > 0"


async def count_persons_with_records(connection: Connection, controllers: Sequence[str]) -> int:
    """How many persons of these controllers have records."""
    counted: int = await connection.fetchval(_COUNT_PERSONS, list(controllers))
    return counted


class LastSequence(msgspec.Struct, frozen=True):
    subject_id: UUID
    sequence: int


_HEADS = """
select subject_id, last_sequence
from subjects
where controller = $1
  and subject_id > $2
  and shard = any ($3::smallint[])
  and last_sequence > 0
order by subject_id
limit $4
"""


async def read_heads(
    connection: Connection, controller: str, *, after: UUID, shards: Sequence[int], rows_max: int
) -> list[LastSequence]:
    """The controller's next persons with records, each with the last sequence; empty at the end."""
    return [LastSequence(*row) for row in await connection.fetch(_HEADS, controller, after, shards, rows_max)]


_WAITING = """
select controller, subject_id, min(sequence)
from outbox
where kind = 'record'
  and shard = any ($1::smallint[])
group by controller, subject_id
"""


async def stream_waiting(
    connection: Connection, shards: Sequence[int]
) -> AsyncIterator[tuple[str, UUID, int]]:
    """(controller, subject_id, sequence) of the first record of each person that is not yet published.

    All behind it waits too, since the records of a person are published in order.
    """
    async with connection.transaction(readonly=True):
        async for row in connection.cursor(_WAITING, shards, prefetch=_WAITING_ROWS_FETCHED):
            yield row[0], row[1], row[2]


_WAITING_PURPOSES = "select distinct controller, purpose from outbox where kind = 'purpose'"


async def read_waiting_purposes(connection: Connection) -> set[tuple[str, str]]:
    """Controllers and purposes of which a version is not yet published."""
    return {(row[0], row[1]) for row in await connection.fetch(_WAITING_PURPOSES)}


class Span(msgspec.Struct, frozen=True):
    """Sequences of one person, from `first` to `last`, that are looked for on a topic whose oldest message is of
    `kept_from`: what was recorded before that need not be there any more."""

    controller: str
    subject_id: UUID
    first: int
    last: int
    kept_from: datetime

    @property
    def length(self) -> int:
        return self.last - self.first + 1


class LostRecord(msgspec.Struct, frozen=True):
    controller: str
    subject_id: UUID
    sequence: int
    record_id: UUID


_RECORDED_AFTER = """
select r.controller, r.subject_id, r.sequence, r.record_id
from unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[])
    as span (controller, subject_id, first, last, kept_from)
join records r on r.controller = span.controller and r.subject_id = span.subject_id
    and r.sequence between span.first and span.last
where r.recorded_at > span.kept_from
order by r.controller, r.subject_id, r.sequence
"""


async def read_recorded_after(connection: Connection, spans: Sequence[Span]) -> list[LostRecord]:
    """Those of the spans' records that were recorded after `kept_from`."""
    rows = await connection.fetch(
        _RECORDED_AFTER,
        [span.controller for span in spans],
        [span.subject_id for span in spans],
        [span.first for span in spans],
        [span.last for span in spans],
        [span.kept_from for span in spans],
    )
    return [LostRecord(*row) for row in rows]
