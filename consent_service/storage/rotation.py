"""What a rotation of keys reads and writes: rows by the key that they are under, as role consent_keeper (R19, CORE 13).

Pages follow the primary keys, so that one is bounded by what it looks at, and none reads what others have passed. What
is sealed anew is written only where it still is as it was read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from consent_service.storage.database import Connection


class Place(NamedTuple):
    """Where a page has ended. Of a page of persons the subject alone counts."""

    subject_id: UUID
    identifier_id: UUID = UUID(int=0)


#: Before every row.
BEGINNING = Place(UUID(int=0))


class KeyedRows(NamedTuple):
    """So many rows of a table are under this key."""

    table: str
    key_id: str
    rows: int


class SubjectKeyRow(NamedTuple):
    """A person's data key. `sealed_key` is null where it is under the key in use: then there is nothing to do."""

    subject_id: UUID
    key_id: str
    sealed_key: bytes | None


class RotatedIdentifier(NamedTuple):
    """An identifier. `sealed_value` is null where it is under the key in use and found by the key in use."""

    subject_id: UUID
    identifier_id: UUID
    type: str
    key_id: str
    is_found: bool
    sealed_value: bytes | None

    @property
    def place(self) -> Place:
        return Place(self.subject_id, self.identifier_id)


class Resealed(msgspec.Struct, frozen=True):
    """What is to be sealed otherwise, if it still is as it was. `place` names the row."""

    place: Place
    before: bytes
    after: bytes


class NewHash(msgspec.Struct, frozen=True):
    hash: bytes
    place: Place


_COUNT = """
    select 'subject_keys', key_id, count(*) from subject_keys group by key_id
    union all
    select 'identifiers', key_id, count(*) from identifiers group by key_id
    union all
    select 'identifier_hashes', key_id, count(*) from identifier_hashes group by key_id
    union all
    select 'suppressions', key_id, count(*) from suppressions group by key_id
"""

_COUNT_UNFOUND = """
    select count(*)
    from identifiers
    where not exists (
        select
        from identifier_hashes
        where identifier_hashes.identifier_id = identifiers.identifier_id
          and identifier_hashes.key_id = any($1::text[]))
"""

_SUBJECT_KEYS = """
    select subject_id, key_id, case when key_id <> $4 then sealed_key end
    from subject_keys
    where controller = $1
      and subject_id > $2
    order by subject_id
    limit $3
"""

# The inner limit keeps the planner from reading all hashes for the sake of a page.
_IDENTIFIERS = """
    select page.subject_id, page.identifier_id, page.type, page.key_id, found.by_it is not null,
           case when found.by_it is null or page.key_id <> $5 then page.sealed_value end
    from (
        select subject_id, identifier_id, type, key_id, sealed_value
        from identifiers
        where controller = $1
          and (subject_id, identifier_id) > ($2, $3)
        order by subject_id, identifier_id
        limit $4) as page
    left join lateral (
        select true as by_it
        from identifier_hashes
        where identifier_hashes.identifier_id = page.identifier_id
          and identifier_hashes.controller = $1
          and identifier_hashes.key_id = $6
        limit 1) as found
        on true
    order by page.subject_id, page.identifier_id
"""

_IDENTIFIER_IDS = """
    select subject_id, identifier_id
    from identifiers
    where controller = $1
      and (subject_id, identifier_id) > ($2, $3)
    order by subject_id, identifier_id
    limit $4
"""

# What is sealed anew is a page of neighbours: between its ends few others lie, however large the table is.
_RESEAL_KEYS = """
    update subject_keys
    set key_id = $2,
        sealed_key = resealed.after
    from unnest($3::uuid[], $4::bytea[], $5::bytea[]) as resealed (subject_id, before, after)
    where subject_keys.controller = $1
      and subject_keys.subject_id between $6 and $7
      and subject_keys.subject_id = resealed.subject_id
      and subject_keys.sealed_key = resealed.before
    returning subject_keys.subject_id
"""

_RESEAL_IDENTIFIERS = """
    update identifiers
    set key_id = $2,
        sealed_value = resealed.after
    from unnest($3::uuid[], $4::uuid[], $5::bytea[], $6::bytea[])
        as resealed (subject_id, identifier_id, before, after)
    where identifiers.controller = $1
      and identifiers.subject_id between $7 and $8
      and identifiers.subject_id = resealed.subject_id
      and identifiers.identifier_id = resealed.identifier_id
      and identifiers.sealed_value = resealed.before
    returning identifiers.identifier_id
"""

_INSERT_HASHES = """
    insert into identifier_hashes (hash, controller, subject_id, identifier_id, key_id)
    select hash, $1, subject_id, identifier_id, $2
    from unnest($3::bytea[], $4::uuid[], $5::uuid[]) as made (hash, subject_id, identifier_id)
    order by hash
    on conflict (hash) do nothing
    returning identifier_id
"""

_DELETE_HASHES = """
    delete from identifier_hashes
    where controller = $1
      and identifier_id = any($2::uuid[])
      and key_id = $3
      and exists (
          select
          from identifier_hashes as others
          where others.controller = $1
            and others.identifier_id = identifier_hashes.identifier_id
            and others.key_id = $4)
    returning identifier_id
"""


async def count_by_key(connection: Connection) -> list[KeyedRows]:
    """How many rows of each table are under which key. Reads all of them."""
    return [KeyedRows(*row) for row in await connection.fetch(_COUNT)]


async def count_unfound(connection: Connection, key_ids: Sequence[str]) -> int:
    """How many identifiers none of these look-up keys finds. Reads all of them."""
    counted: int = await connection.fetchval(_COUNT_UNFOUND, key_ids)
    return counted


async def read_subject_keys(
    connection: Connection, controller: str, after: Place, rows_max: int, sealing_id: str
) -> list[SubjectKeyRow]:
    """The next persons' data keys, in the order of their subjects."""
    rows = await connection.fetch(_SUBJECT_KEYS, controller, after.subject_id, rows_max, sealing_id)
    return [SubjectKeyRow(*row) for row in rows]


async def read_identifiers_to_rotate(
    connection: Connection, controller: str, after: Place, rows_max: int, sealing_id: str, lookup_id: str
) -> list[RotatedIdentifier]:
    """The next identifiers, in the order of their places."""
    rows = await connection.fetch(_IDENTIFIERS, controller, *after, rows_max, sealing_id, lookup_id)
    return [RotatedIdentifier(*row) for row in rows]


async def read_identifier_places(
    connection: Connection, controller: str, after: Place, rows_max: int
) -> list[Place]:
    return [Place(*row) for row in await connection.fetch(_IDENTIFIER_IDS, controller, *after, rows_max)]


async def reseal_subject_keys(
    connection: Connection, controller: str, sealing_id: str, resealed: Sequence[Resealed]
) -> int:
    """How many still were as they were read. In the order of their places, and at least one."""
    rows = await connection.fetch(
        _RESEAL_KEYS,
        controller,
        sealing_id,
        [one.place.subject_id for one in resealed],
        [one.before for one in resealed],
        [one.after for one in resealed],
        resealed[0].place.subject_id,
        resealed[-1].place.subject_id,
    )
    return len(rows)


async def reseal_identifiers(
    connection: Connection, controller: str, sealing_id: str, resealed: Sequence[Resealed]
) -> set[UUID]:
    """The ids of those that still were as they were read. They are locked: nobody unlinks them until the end.

    In the order of their places, and at least one.
    """
    rows = await connection.fetch(
        _RESEAL_IDENTIFIERS,
        controller,
        sealing_id,
        [one.place.subject_id for one in resealed],
        [one.place.identifier_id for one in resealed],
        [one.before for one in resealed],
        [one.after for one in resealed],
        resealed[0].place.subject_id,
        resealed[-1].place.subject_id,
    )
    return {row[0] for row in rows}


async def insert_hashes(
    connection: Connection, controller: str, lookup_id: str, made: Sequence[NewHash]
) -> set[UUID]:
    """The ids of the identifiers that are found by it now; not those whose hash was there before.

    Only of identifiers that are locked: an unlinking would leave behind a hash that it cannot see.
    """
    rows = await connection.fetch(
        _INSERT_HASHES,
        controller,
        lookup_id,
        [one.hash for one in made],
        [one.place.subject_id for one in made],
        [one.place.identifier_id for one in made],
    )
    return {row[0] for row in rows}


async def delete_hashes(
    connection: Connection, controller: str, identifier_ids: Collection[UUID], key_id: str, lookup_id: str
) -> int:
    """Remove their hashes under `key_id` where `lookup_id` finds them too. How many that were."""
    rows = await connection.fetch(_DELETE_HASHES, controller, list(identifier_ids), key_id, lookup_id)
    return len(rows)
