"""Choices that visitors made: rows of choices, each id taken once a person for ever (R36)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.storage.database import Connection


class NewChoice(msgspec.Struct, frozen=True):
    """A choice to keep; `fingerprint` is 32 bytes of what it said."""

    controller: str
    subject_id: UUID
    choice_id: str
    fingerprint: bytes
    recorded_at: datetime


_READ = """
    select choices.subject_id, choices.choice_id, choices.fingerprint
    from unnest($1::text[], $2::uuid[], $3::text[], $4::text[]) as asked (controller, subject_id, choice_id, latest_id)
    join choices
        on choices.controller = asked.controller
       and choices.subject_id = asked.subject_id
       and choices.choice_id between asked.choice_id and asked.latest_id
"""

_INSERT = """
    insert into choices (controller, subject_id, choice_id, fingerprint, recorded_at)
    select controller, subject_id, choice_id, fingerprint, recorded_at
    from unnest($1::text[], $2::uuid[], $3::text[], $4::bytea[], $5::timestamptz[])
        as taken (controller, subject_id, choice_id, fingerprint, recorded_at)
"""


async def read_choices(
    connection: Connection, asked: Collection[tuple[str, UUID, str, str]]
) -> dict[tuple[UUID, str], bytes]:
    """The fingerprints of those that were taken before: of each (controller, subject, choice id, latest id) that very
    id, and those that sort behind it up to the latest.
    """
    ordered = sorted(asked)
    rows = await connection.fetch(_READ, *[[one[column] for one in ordered] for column in range(4)])
    return {(row[0], row[1]): row[2] for row in rows}


async def insert_choices(connection: Connection, taken: Sequence[NewChoice]) -> None:
    """Keep them. One that is there already raises a UniqueViolationError: do it again."""
    await connection.execute(
        _INSERT,
        [one.controller for one in taken],
        [one.subject_id for one in taken],
        [one.choice_id for one in taken],
        [one.fingerprint for one in taken],
        [one.recorded_at for one in taken],
    )
