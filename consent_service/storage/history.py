"""The ledger as pointers, page by page, so that what was published can be published again (R31).

As role consent_relay or consent_auditor, whose policies see every controller's rows. Pages follow the primary keys,
(controller, subject_id, sequence), each from where the one before ended; nothing is held between two of them. What is
committed meanwhile may lie before that place: it is in the outbox, and is published by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from consent_service.domain.catalogue import PURPOSES_SUBJECT
from consent_service.domain.partitions import SHARDS
from consent_service.storage.database import Connection
from consent_service.storage.outbox import Kind, Pointer

_FIRST = UUID(int=0)
_LAST = UUID(int=2**128 - 1)
_EVERY_SHARD = tuple(range(SHARDS))
_ALWAYS = datetime(1, 1, 1, tzinfo=UTC)

_PREFIXES = "select controller, topic_prefix from controllers order by controller"


async def read_prefixes(connection: Connection) -> dict[str, str]:
    """The prefix of each controller's topics, in the order of their slugs."""
    return {row[0]: row[1] for row in await connection.fetch(_PREFIXES)}


# Persons first, then the records of each: a condition on the shard or the time passes over whole persons. Both limits
# keep a page from reading more than it gives. A person of whom there is nothing to tell gives a row without a record,
# so that a page shorter than asked for is the last.
_RECORDS = """
select person.subject_id, record.purpose, record.sequence, person.shard
from (
    select subject_id, shard
    from subjects
    where controller = $1
      and subject_id >= $2
      and subject_id <= $4
      and shard = any ($5::smallint[])
      and last_sequence > 0
      and last_recorded_at >= $6
    order by subject_id
    limit $7
) as person
left join lateral (
    select purpose, sequence
    from records
    where controller = $1
      and subject_id = person.subject_id
      and sequence > case when person.subject_id = $2 then $3::bigint else 0 end
      and recorded_at >= $6
    order by sequence
    limit $7
) as record on true
order by person.subject_id, record.sequence
limit $7
"""

# The last record about a purpose tells what stands, also where it is an older fact that changed nothing (R15).
_STANDING = """
select person.subject_id, record.purpose, record.sequence, person.shard
from (
    select subject_id, shard
    from subjects
    where controller = $1
      and subject_id >= $2
      and subject_id <= $4
      and shard = any ($5::smallint[])
      and last_sequence > 0
      and last_recorded_at >= $6
    order by subject_id
    limit $7
) as person
left join lateral (
    select purpose, sequence
    from (
        select distinct on (purpose) purpose, sequence, recorded_at
        from records
        where controller = $1
          and subject_id = person.subject_id
          and purpose is not null
        order by purpose, sequence desc
    ) as last
    where sequence > case when person.subject_id = $2 then $3::bigint else 0 end
      and recorded_at >= $6
) as record on true
order by person.subject_id, record.sequence
limit $7
"""


class _Conditions(msgspec.Struct, frozen=True):
    shards: Sequence[int]
    subject_id: UUID | None
    since: datetime | None


async def read_history(
    connection: Connection,
    *,
    controllers: Collection[str],
    shards: Sequence[int] = _EVERY_SHARD,
    subject_id: UUID | None = None,
    since: datetime | None = None,
    after: Pointer | None = None,
    rows_max: int,
) -> list[Pointer]:
    """The next records of these controllers, by controller, subject and sequence; empty only at the end.

    `after` is the last pointer of the page before, `since` the earliest `recorded_at`. Positions are 0, so that no
    row of the outbox is meant.
    """
    wanted = _Conditions(shards, subject_id, since)
    return await _page(connection, _RECORDS, controllers, wanted, after, rows_max)


async def read_standing(
    connection: Connection,
    *,
    controllers: Collection[str],
    shards: Sequence[int] = _EVERY_SHARD,
    subject_id: UUID | None = None,
    since: datetime | None = None,
    after: Pointer | None = None,
    rows_max: int,
) -> list[Pointer]:
    """As `read_history`, but of each subject and purpose the last record alone: what stands follows from it."""
    wanted = _Conditions(shards, subject_id, since)
    return await _page(connection, _STANDING, controllers, wanted, after, rows_max)


async def _page(
    connection: Connection,
    statement: str,
    controllers: Collection[str],
    wanted: _Conditions,
    after: Pointer | None,
    rows_max: int,
) -> list[Pointer]:
    """A statement is of one controller, which is what lets it walk an index; a page may hold several."""
    found: list[Pointer] = []
    for controller in sorted(controllers):
        if len(found) == rows_max:
            break
        begin, told = wanted.subject_id or _FIRST, 0
        if after is not None and controller <= after.controller:
            if controller < after.controller:
                continue
            begin, told = after.subject_id, after.sequence
        found += await _of_controller(
            connection, statement, controller, wanted, (begin, told), rows_max - len(found)
        )
    return found


async def _of_controller(
    connection: Connection,
    statement: str,
    controller: str,
    wanted: _Conditions,
    place: tuple[UUID, int],
    rows_max: int,
) -> list[Pointer]:
    """`place` is a subject, and the last of its sequences that was told."""
    found: list[Pointer] = []
    begin, told = place
    end = wanted.subject_id or _LAST
    while len(found) < rows_max:
        asked = rows_max - len(found)
        rows = await connection.fetch(
            statement, controller, begin, told, end, wanted.shards, wanted.since or _ALWAYS, asked
        )
        found += [
            Pointer(0, Kind.RECORD, controller, row[0], row[1], row[2], row[3], None)
            for row in rows
            if row["sequence"] is not None
        ]
        if len(rows) < asked:
            break
        begin, told = rows[-1]["subject_id"], rows[-1]["sequence"]
        if told is None:
            if begin == end:
                break
            begin, told = UUID(int=begin.int + 1), 0
    return found


_LATEST_VERSIONS = """
select controller, purpose, max(version)
from purpose_versions
where controller = any ($1::text[])
group by controller, purpose
order by controller, purpose
"""


async def read_latest_versions(connection: Connection, controllers: Collection[str]) -> list[Pointer]:
    """The latest version of every purpose of these controllers: one event tells all that a consumer needs of it."""
    return [
        Pointer(0, Kind.PURPOSE, row[0], PURPOSES_SUBJECT, row[1], row[2], 0, None)
        for row in await connection.fetch(_LATEST_VERSIONS, list(controllers))
    ]
