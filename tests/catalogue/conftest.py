"""Two service processes' catalogues on one database, and a superuser's eye on the rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from consent_service.storage.database import Database, open_database
from consent_service.usecases.catalogue import Catalogue
from tests.databases import TestDatabase


@pytest.fixture
async def opened(database: TestDatabase) -> AsyncIterator[Database]:
    """The database as the service's role sees it."""
    async with open_database(
        database.url(), connections_max=8, statement_timeout_s=10, lock_timeout_s=5, name="tests"
    ) as opened:
        yield opened


@pytest.fixture
def catalogue(opened: Database) -> Catalogue:
    return Catalogue(opened)


@pytest.fixture
def another(opened: Database) -> Catalogue:
    """The catalogue of another process: it shares nothing with `catalogue` but the database."""
    return Catalogue(opened)


@pytest.fixture
async def rows(database: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await database.connect()
    yield connection
    await connection.close()
