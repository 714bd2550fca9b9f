"""Processes with look-up and sealing keys of their own, and rotations beside them, as role consent_keeper."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg

from consent_service.domain.identifiers import Identifier
from consent_service.storage.database import open_database
from consent_service.storage.keyring import Keyring
from consent_service.usecases.records import Records
from consent_service.usecases.rotation import Fault, Rotation
from consent_service.usecases.subjects import Subjects
from consent_service.usecases.submissions import Caller, Submission
from tests.databases import TestDatabase
from tests.usecases.recording import Clock, Room, a_command, known, open_room, someone
from tests.usecases.sweepers import Ticks

CRM = Caller("ansettr", "crm")
AUDIT = "select controller, actor, action, details, reason from audit where action like 'keys.%' order by audit_id"


def ring(lookup: str, sealing: str) -> Keyring:
    """Of these ids, those in use first; the same id is always the same key."""
    return Keyring(
        {name: sha256(name.encode()).digest() for name in lookup.split()},
        {name: sha256(name.encode()).digest() for name in sealing.split()},
    )


OLD = ring("l1", "s1")
BEHIND = ring("l1 l2", "s1 s2")
FIRST = ring("l2 l1", "s2 s1")
NEW = ring("l2", "s2")


def email(name: str) -> Identifier:
    return Identifier("email", f"{name}@example.org")


class Process:
    """A room with the use cases that look persons up."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.subjects = Subjects(room.database, room.catalogue, room.keyring, now=room.clock)
        self.records = Records(room.database, room.keyring, now=room.clock)

    async def meets(self, name: str) -> UUID:
        """Somebody says yes who is known by this e-mail address, for the first time or again."""
        return (await self.room.says(someone(name), a_command())).subject_id

    async def links(self, subject_id: UUID, name: str) -> UUID:
        """The identifier's id."""
        answer = await self.room.ledger.submit(Submission(CRM, known(subject_id), link=(email(name),)))
        return answer.linked[0].identifier_id

    async def finds(self, name: str) -> UUID:
        return await self.subjects.lookup("ansettr", [email(name)])

    async def values(self, subject_id: UUID) -> list[str]:
        page = await self.subjects.identifiers(CRM, subject_id)
        return [item.value for item in page.items]


@asynccontextmanager
async def process(
    database: TestDatabase, keyring: Keyring, controllers: Sequence[str] = (), clock: Clock | None = None
) -> AsyncIterator[Process]:
    """`controllers` are loaded where they are not there yet."""
    async with open_room(database, controllers, clock, keyring=keyring) as room:
        yield Process(room)


class Keeper:
    """A rotation and what it told."""

    def __init__(self, rotation: Rotation, ticks: Ticks, faults: list[Fault], left: list[int]) -> None:
        self.rotation = rotation
        self.ticks = ticks
        self.faults = faults
        self.left = left


@asynccontextmanager
async def a_keeper(database: TestDatabase, keyring: Keyring, **options: Any) -> AsyncIterator[Keeper]:
    faults: list[Fault] = []
    left: list[int] = []
    ticks = Ticks()
    async with open_database(
        database.url("consent_keeper"),
        connections_max=2,
        statement_timeout_s=10,
        lock_timeout_s=5,
        name="keeper",
    ) as opened:
        given = {"actor": "kari", "rows_per_s": 1000, "seconds": ticks, "sleep": ticks.sleep, **options}
        rotation = Rotation(
            opened,
            opened,
            keyring,
            report=faults.append,
            progress=lambda remaining, _: left.append(remaining),
            **given,
        )
        yield Keeper(rotation, ticks, faults, left)


async def under(rows: asyncpg.Connection, table: str) -> dict[str, int]:
    """How many rows of a table are under each key."""
    counted = await rows.fetch(f"select key_id, count(*) from {table} group by key_id order by key_id")
    return dict(tuple(row) for row in counted)
