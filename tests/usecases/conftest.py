"""A process to speak to, a superuser's eye on its rows, and a ledger to tamper with, told once for the whole run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from consent_service.embedded import PostgresServer
from tests.databases import TestDatabase, copy_template, drop
from tests.usecases.recording import Room, open_room
from tests.usecases.tampering import Scene, make_scene


@pytest.fixture(scope="session")
async def told(postgres: PostgresServer) -> AsyncIterator[Scene]:
    database = await copy_template(postgres)
    yield await make_scene(database)
    await drop(postgres, database)


@pytest.fixture
async def scene(told: Scene) -> AsyncIterator[Scene]:
    """As it was told, for each test again."""
    yield told
    await told.put_back()


@pytest.fixture
async def room(database: TestDatabase) -> AsyncIterator[Room]:
    """One process with one writer, so that all that arrives at once is one batch."""
    async with open_room(database, ("ansettr", "coness"), writers=1) as room:
        yield room


@pytest.fixture
async def rows(database: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's eye on the rows."""
    connection = await database.connect()
    yield connection
    await connection.close()
