"""Topics of each test's own, and each kind of store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from consent_client.recipient import MemoryStore, PostgresStore, SqliteStore, Store

from consent_service.embedded import KafkaServer
from tests.clients.recipient.topics import Topics
from tests.databases import TestDatabase


@pytest.fixture
async def topics(kafka: KafkaServer, request: pytest.FixtureRequest) -> Topics:
    made = Topics(kafka.bootstrap, f"recipient-{abs(hash(request.node.nodeid)) % 10**8}")
    await made.make()
    return made


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes stores that, but for those in memory, share what they keep."""
    if request.param == "memory":
        return MemoryStore
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "recipient.db")
    database: TestDatabase = request.getfixturevalue("database")
    return lambda: PostgresStore(database.url("postgres"))
