"""Persons and their identifiers: rows of subjects, subject_keys, identifiers, identifier_hashes (R13, R19)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.records import SubjectFlags
from consent_service.storage.database import Connection


class SubjectRow(msgspec.Struct, frozen=True):
    """A subject as locked or read. `sealed_key` is null once the person's key was removed."""

    controller: str
    subject_id: UUID
    shard: int
    created_at: datetime
    last_sequence: int
    last_hash: bytes | None
    last_recorded_at: datetime | None
    flags: SubjectFlags
    key_id: str | None
    sealed_key: bytes | None


class NewSubject(msgspec.Struct, frozen=True):
    controller: str
    subject_id: UUID
    shard: int
    created_at: datetime
    key_id: str
    sealed_key: bytes


class NewIdentifier(msgspec.Struct, frozen=True):
    """A link to be made: the value sealed under `sealing_key_id`, found again by any of `hashes` (key id, hash)."""

    controller: str
    subject_id: UUID
    identifier_id: UUID
    type: str
    sealing_key_id: str
    sealed_value: bytes
    linked_at: datetime
    hashes: tuple[tuple[str, bytes], ...]


class Link(msgspec.Struct, frozen=True):
    """Whose identifier it is, and its id."""

    subject_id: UUID
    identifier_id: UUID


class IdentifierRow(msgspec.Struct, frozen=True):
    identifier_id: UUID
    type: str
    key_id: str
    sealed_value: bytes
    linked_at: datetime


# An update that changes nothing takes the row's lock, and unlike `select ... for update` over several subjects
# it runs on Citus. The rows come sorted, so that two batches lock in one order; what is left is retried.
_LOCK = """
    with wanted as (
        select controller, subject_id
        from unnest($1::text[], $2::uuid[]) as pairs (controller, subject_id)
        order by subject_id
    ), locked as (
        update subjects
        set last_sequence = subjects.last_sequence
        from wanted
        where subjects.controller = wanted.controller
          and subjects.subject_id = wanted.subject_id
        returning subjects.controller, subjects.subject_id, subjects.shard, subjects.created_at,
                  subjects.last_sequence, subjects.last_hash, subjects.last_recorded_at,
                  subjects.erased_at, subjects.suppressed_at, subjects.restricted_at
    )
    select locked.controller, locked.subject_id, locked.shard, locked.created_at,
           locked.last_sequence, locked.last_hash, locked.last_recorded_at,
           locked.erased_at, locked.suppressed_at, locked.restricted_at,
           subject_keys.key_id, subject_keys.sealed_key
    from locked
    left join subject_keys
        on subject_keys.controller = locked.controller
       and subject_keys.subject_id = locked.subject_id
"""

_READ = """
    select subjects.controller, subjects.subject_id, subjects.shard, subjects.created_at,
           subjects.last_sequence, subjects.last_hash, subjects.last_recorded_at,
           subjects.erased_at, subjects.suppressed_at, subjects.restricted_at,
           subject_keys.key_id, subject_keys.sealed_key
    from subjects
    left join subject_keys
        on subject_keys.controller = subjects.controller
       and subject_keys.subject_id = subjects.subject_id
    where subjects.controller = $1
      and subjects.subject_id = $2
"""

_FIND = """
    select hash, subject_id, identifier_id
    from identifier_hashes
    where hash = any($1::bytea[])
"""

_INSERT_SUBJECTS = """
    insert into subjects (controller, subject_id, shard, created_at)
    select controller, subject_id, shard, created_at
    from unnest($1::text[], $2::uuid[], $3::smallint[], $4::timestamptz[])
        as made (controller, subject_id, shard, created_at)
"""

_INSERT_KEYS = """
    insert into subject_keys (controller, subject_id, key_id, sealed_key)
    select controller, subject_id, key_id, sealed_key
    from unnest($1::text[], $2::uuid[], $3::text[], $4::bytea[])
        as made (controller, subject_id, key_id, sealed_key)
"""

_INSERT_HASHES = """
    insert into identifier_hashes (hash, controller, subject_id, identifier_id, key_id)
    select hash, controller, subject_id, identifier_id, key_id
    from unnest($1::bytea[], $2::text[], $3::uuid[], $4::uuid[], $5::text[])
        as made (hash, controller, subject_id, identifier_id, key_id)
    order by hash
"""

_INSERT_IDENTIFIERS = """
    insert into identifiers (controller, subject_id, identifier_id, type, key_id, sealed_value, linked_at)
    select controller, subject_id, identifier_id, type, key_id, sealed_value, linked_at
    from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::timestamptz[])
        as made (controller, subject_id, identifier_id, type, key_id, sealed_value, linked_at)
"""

_READ_IDENTIFIERS = """
    select identifier_id, type, key_id, sealed_value, linked_at
    from identifiers
    where controller = $1
      and subject_id = $2
      and ($3::uuid is null or identifier_id > $3)
    order by identifier_id
    limit $4
"""

_DELETE_HASHES = """
    delete from identifier_hashes
    where controller = $1
      and subject_id = $2
      and identifier_id = $3
"""

_DELETE_IDENTIFIER = """
    delete from identifiers
    where controller = $1
      and subject_id = $2
      and identifier_id = $3
    returning type
"""


_NO_FLAGS = SubjectFlags()


def flags_from(
    erased_at: datetime | None, suppressed_at: datetime | None, restricted_at: datetime | None
) -> SubjectFlags:
    """The columns of that name; nearly everybody has none, and then shares one."""
    if erased_at is suppressed_at is restricted_at is None:
        return _NO_FLAGS
    return SubjectFlags(erased_at, suppressed_at, restricted_at)


def _row(row: Any) -> SubjectRow:
    return SubjectRow(
        controller=row[0],
        subject_id=row[1],
        shard=row[2],
        created_at=row[3],
        last_sequence=row[4],
        last_hash=row[5],
        last_recorded_at=row[6],
        flags=flags_from(row[7], row[8], row[9]),
        key_id=row[10],
        sealed_key=row[11],
    )


async def lock_subjects(
    connection: Connection, subjects: Collection[tuple[str, UUID]]
) -> dict[UUID, SubjectRow]:
    """Lock these subjects until the transaction ends, in one order, and read them as they are under the lock."""
    ordered = sorted(subjects, key=lambda subject: subject[1])
    rows = await connection.fetch(_LOCK, [one[0] for one in ordered], [one[1] for one in ordered])
    return {row["subject_id"]: _row(row) for row in rows}


async def read_subject(connection: Connection, controller: str, subject_id: UUID) -> SubjectRow | None:
    row = await connection.fetchrow(_READ, controller, subject_id)
    return None if row is None else _row(row)


async def find_identifiers(connection: Connection, hashes: Collection[bytes]) -> dict[bytes, Link]:
    """Which of these hashes are linked, and to whom. A hash is one controller's own (CORE 13)."""
    rows = await connection.fetch(_FIND, list(hashes))
    return {row["hash"]: Link(row["subject_id"], row["identifier_id"]) for row in rows}


async def insert_subjects(connection: Connection, made: Sequence[NewSubject]) -> None:
    """A new person with their own data key."""
    controllers = [one.controller for one in made]
    ids = [one.subject_id for one in made]
    await connection.execute(
        _INSERT_SUBJECTS, controllers, ids, [one.shard for one in made], [one.created_at for one in made]
    )
    await connection.execute(
        _INSERT_KEYS, controllers, ids, [one.key_id for one in made], [one.sealed_key for one in made]
    )


async def insert_identifiers(connection: Connection, linked: Sequence[NewIdentifier]) -> None:
    """Link identifiers. A hash that somebody linked at the same moment raises a UniqueViolationError: do it again."""
    controllers = [one.controller for one in linked]
    subjects = [one.subject_id for one in linked]
    ids = [one.identifier_id for one in linked]
    found_by = [(one, key_id, hashed) for one in linked for key_id, hashed in one.hashes]
    await connection.execute(
        _INSERT_HASHES,
        [hashed for _, _, hashed in found_by],
        [one.controller for one, _, _ in found_by],
        [one.subject_id for one, _, _ in found_by],
        [one.identifier_id for one, _, _ in found_by],
        [key_id for _, key_id, _ in found_by],
    )
    await connection.execute(
        _INSERT_IDENTIFIERS,
        controllers,
        subjects,
        ids,
        [one.type for one in linked],
        [one.sealing_key_id for one in linked],
        [one.sealed_value for one in linked],
        [one.linked_at for one in linked],
    )


async def read_identifiers(
    connection: Connection, controller: str, subject_id: UUID, limit: int, after: UUID | None
) -> list[IdentifierRow]:
    """A page in the order of linking (identifier ids are of version 7)."""
    rows = await connection.fetch(_READ_IDENTIFIERS, controller, subject_id, after, limit)
    return [msgspec.convert(dict(row), IdentifierRow) for row in rows]


async def delete_identifier(
    connection: Connection, controller: str, subject_id: UUID, identifier_id: UUID
) -> str | None:
    """Remove one link; returns its type, or None where there is none."""
    # The identifier first: whoever gives it another hash holds its row until then, and only what is asked afterwards
    # sees that hash (storage/rotation.py).
    removed: str | None = await connection.fetchval(_DELETE_IDENTIFIER, controller, subject_id, identifier_id)
    await connection.execute(_DELETE_HASHES, controller, subject_id, identifier_id)
    return removed
