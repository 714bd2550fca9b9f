"""A ledger to tamper with, told once for the whole run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from consent_service.embedded import PostgresServer
from tests.databases import copy_template, drop
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
