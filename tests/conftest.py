"""One PostgreSQL and one Kafka for the whole run, started when the first test asks; a fresh database for each test.

Where tests run side by side, each of the processes has engines of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer, PostgresServer
from tests.databases import TestDatabase, copy_template, drop, make_template

#: Whole processes under load, kills and outages: one after the other, with at most one process of tests beside them.
_ONE_BY_ONE = frozenset({"benchmarks", "cli", "endtoend", "faults", "packaging"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side (`pytest -n`) the tests of a file stay together, with what they set up."""
    for item in items:
        folder, *_ = item.path.relative_to(Path(__file__).parent).parts
        name = "one by one" if folder in _ONE_BY_ONE else str(item.path)
        item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    """A real PostgreSQL 18; without fsync, since a test's data is for one run."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    async with PostgresServer(folder, fsync=False) as server:
        await make_template(server)
        yield server


@pytest.fixture(scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KafkaServer]:
    """A real Apache Kafka 4.1."""
    folder: Path = tmp_path_factory.mktemp("kafka")
    async with KafkaServer(folder, cache_dir=cache_dir()) as server:
        yield server


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    """A migrated, empty database of this test's own."""
    fresh = await copy_template(postgres)
    yield fresh
    await drop(postgres, fresh)
