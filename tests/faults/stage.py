"""Where the load plays: a database with one controller's catalogue, persons, and services at fixed addresses."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from consent_service.cli.catalogue import read_files, sample_paths
from consent_service.cli.token import make_token
from consent_service.domain.catalogue import CatalogueEntries
from consent_service.embedded import PostgresServer
from consent_service.embedded.ports import free_port
from consent_service.settings import load_settings
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from tests.databases import TestDatabase, copy_template, drop
from tests.faults.account import (
    check,
    check_chains,
    check_ends,
    check_events,
    check_states,
    check_stream,
    drained,
    read_events,
    read_ledger,
    read_states,
)
from tests.faults.callers import Answer, Caller
from tests.faults.load import CONTROLLER, Load
from tests.processes import Process, Service, environment_for, ready, start

PERSONS = 8
#: For how long a consent to a brief purpose stands, and a request for one.
BRIEF = "PT2S"


class Stage:
    """`environment` starts a service that publishes too; `port` is where it listens, start after start."""

    def __init__(self, database: TestDatabase, environment: dict[str, str], prefix: str) -> None:
        self.database = database
        self.environment = environment
        self.topic = f"{prefix}.changes.v1"
        self.state_topic = f"{prefix}.state.v1"
        self.settings = load_settings(environment)
        self.token = make_token(self.settings, CONTROLLER)
        self.port = free_port()
        self._started: list[Process] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, **settings: str) -> Service:
        """A service at the stage's address, ready."""
        return await ready(await self.process(**settings), self.environment)

    async def process(self, **settings: str) -> Process:
        """The same, not yet ready."""
        environment = {**self.environment, "CONSENT_PORT": str(self.port), **settings}
        process = await start("serve", environment=environment)
        self._started.append(process)
        return process

    async def clear(self) -> None:
        """End what a failed test left running."""
        for process in self._started:
            await process.stop(signal.SIGKILL)

    async def persons(self, url: str | None = None, count: int = PERSONS) -> list[str]:
        """Ids of new persons without records."""
        caller = Caller(url or self.url, self.token)
        made = [await caller.ask("POST", "/v1/subjects", self._somebody(number)) for number in range(count)]
        caller.close()
        return [answer.content["subject_id"] for answer in made]

    def _somebody(self, number: int) -> dict[str, object]:
        return {"identifiers": [{"type": "email", "value": f"person-{number}@example.org"}]}

    async def ask(self, method: str, path: str, content: object = None) -> Answer:
        """One question on a connection of its own."""
        caller = Caller(self.url, self.token)
        try:
            return await caller.ask(method, path, content)
        finally:
            caller.close()

    async def records(self) -> int:
        """How many the ledger has now."""
        connection = await self.database.connect()
        try:
            return int(await connection.fetchval("select count(*) from records"))
        finally:
            await connection.close()

    async def holds(self, load: Load, *, repetitions: bool = True) -> list[dict[str, Any]]:
        """Everything that was answered is in the ledger, which is whole, and on the topics, in order. The ledger."""
        assert self.settings.kafka_bootstrap is not None
        bootstrap = self.settings.kafka_bootstrap
        while True:
            await drained(self.database)
            rows = await read_ledger(self.database)
            events = await read_events(bootstrap, self.topic)
            states = await read_states(bootstrap, self.state_topic)
            # A sweeper may still be writing: what was read belongs together where nothing came in between.
            if len(await read_ledger(self.database)) == len(rows):
                break
        check(load, rows)
        check_ends(rows)
        await check_chains(self.database, self.settings, len(rows))
        check_events(events, rows, repetitions=repetitions)
        check_states(states, rows)
        await check_stream(self.database, bootstrap)
        return rows


@asynccontextmanager
async def set_stage(
    postgres: PostgresServer, bootstrap: str, folder: Path, *, brief: Collection[str] = ()
) -> AsyncIterator[Stage]:
    """A database of its own on this server, with topics of its own. Consents to the `brief` purposes end after BRIEF."""
    database = await copy_template(postgres)
    prefix = database.name.replace("_", "-") + f"-{postgres.port}"
    await _load_catalogue(database, prefix, brief)
    environment = environment_for(
        database,
        folder,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_KAFKA_BOOTSTRAP=bootstrap,
    )
    stage = Stage(database, environment, prefix)
    try:
        yield stage
    finally:
        await stage.clear()
        await drop(postgres, database)


async def _load_catalogue(database: TestDatabase, prefix: str, brief: Collection[str]) -> None:
    files = read_files([path for path in sample_paths() if path.name == f"{CONTROLLER}.yaml"])
    assert files is not None
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        for file in files:
            await Catalogue(opened).load(_with_ends(file.entries, brief), "test")
    connection = await database.connect()
    await connection.execute("update controllers set topic_prefix = $1", prefix)
    await connection.close()


def _with_ends(entries: CatalogueEntries, brief: Collection[str]) -> CatalogueEntries:
    purposes = tuple(
        msgspec.structs.replace(purpose, renew_after=BRIEF, confirm_within=BRIEF)
        if purpose.slug in brief
        else purpose
        for purpose in entries.purposes
    )
    return msgspec.structs.replace(entries, purposes=purposes)
