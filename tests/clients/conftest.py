"""A service for the tests of the client: real processes, the sample catalogue, topics of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from consent_client import ConsentClient

from consent_service.cli.token import make_token
from consent_service.domain.durations import parse_duration
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.http.scopes import SCOPES
from consent_service.settings import load_settings
from tests.databases import TestDatabase, copy_template, drop
from tests.endtoend.conftest import load_samples
from tests.processes import Service, environment_for, serving

#: How often the service speaks on a quiet stream.
HEARTBEAT_S = 0.4


class Place:
    """Where the client calls: a service with a relay inside, its topics, and tokens for it."""

    def __init__(
        self,
        service: Service,
        database: TestDatabase,
        bootstrap: str,
        prefix: str,
        environment: dict[str, str],
    ) -> None:
        self.service = service
        self.url = service.url
        self.port = int(service.url.rpartition(":")[2])
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._database = database
        self._settings = load_settings(environment)

    def token(
        self, controller: str = "ansettr", *, scopes: Iterable[str] = tuple(SCOPES), ttl: str = "P7D"
    ) -> str:
        return make_token(self._settings, controller, scopes=scopes, ttl=parse_duration(ttl))

    async def records(self, subject_id: object) -> int:
        """How many the ledger has of this person."""
        connection = await self._database.connect()
        try:
            return int(
                await connection.fetchval("select count(*) from records where subject_id = $1", subject_id)
            )
        finally:
            await connection.close()


@pytest.fixture(scope="session")
async def place(
    postgres: PostgresServer, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    database = await copy_template(postgres)
    prefix = database.name.replace("_", "-")
    await load_samples(database, prefix)
    folder: Path = tmp_path_factory.mktemp("service")
    environment = environment_for(
        database,
        folder,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap,
        CONSENT_FEED_HEARTBEAT_S=str(HEARTBEAT_S),
    )
    async with serving(environment) as service:
        yield Place(service, database, kafka.bootstrap, prefix, environment)
    await drop(postgres, database)


@pytest.fixture
async def client(place: Place) -> AsyncIterator[ConsentClient]:
    async with ConsentClient(place.url, place.token()) as opened:
        yield opened
