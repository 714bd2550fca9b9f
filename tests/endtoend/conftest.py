"""A service of this file's own: processes, database and topics, with the sample catalogue loaded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consent_service.cli.catalogue import read_files, sample_paths
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from tests.databases import TestDatabase, copy_template, drop
from tests.processes import Service, environment_for, serving


async def load_samples(database: TestDatabase, prefix: str) -> None:
    """The sample's five controllers, on topics of this database's own."""
    files = read_files(sample_paths())
    assert files is not None
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        catalogue = Catalogue(opened)
        for file in files:
            await catalogue.load(file.entries, "test")
    connection = await database.connect()
    await connection.execute("update controllers set topic_prefix = $1", prefix)
    await connection.close()


class Stage:
    """Where a test plays: a service with a relay inside, its database, and where its events go."""

    def __init__(self, service: Service, database: TestDatabase, bootstrap: str, prefix: str) -> None:
        self.service = service
        self.database = database
        self.bootstrap = bootstrap
        self.changes = f"{prefix}.changes.v1"


@pytest.fixture(scope="module")
async def stage(
    postgres: PostgresServer, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    database = await copy_template(postgres)
    prefix = database.name.replace("_", "-")
    await load_samples(database, prefix)
    folder: Path = tmp_path_factory.mktemp("service")
    environment = environment_for(
        database,
        folder,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap,
    )
    async with serving(environment) as service:
        yield Stage(service, database, kafka.bootstrap, prefix)
    await drop(postgres, database)
