"""One PostgreSQL and one Kafka for the whole run, started when the first test asks; a fresh database for each test.

Where tests run side by side, each of the processes has engines of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer, PostgresServer
from tests.databases import TestDatabase, copy_template, drop, make_template

#: Whole processes under load, kills and outages: one after the other, with the other processes of tests beside them.
_ONE_BY_ONE = frozenset({"benchmarks", "cli", "endtoend", "faults", "packaging"})
#: One after the other, beside anything: each process of tests that runs some has a Kafka and a browser.
_TOGETHER = frozenset({"browser"})


class _Rooms(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a process of tests whole files, with what they set up, or all that goes one by one.

    pytest-xdist's own groups are not looked at under pytest 9.2: they are written where it does not read any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        room = file.split("/")[1]
        if room in _TOGETHER:
            return room
        return "one by one" if room in _ONE_BY_ONE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Rooms:
    return _Rooms(config, log)


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
