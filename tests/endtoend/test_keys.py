"""New keys are brought in and old ones removed, step by step, under two services that people speak to all the time (R19).

As docs/OPERATIONS.md, Keys, tells an operator to do it: with real processes, one restarted after the other, and a
rotation that is killed on the way.
"""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import asyncpg
import httpx
import pytest

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeEntry
from consent_service.domain.values import Basis
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from tests.builders import NOTICES
from tests.databases import TestDatabase
from tests.events.streams import eventually
from tests.processes import Service, environment_for, start, start_service

PURPOSE = PurposeEntry(slug="brev", legal_bases=(Basis.CONSENT,), notices=NOTICES)
OLD, BEHIND, FIRST, NEW = "1", "1 2", "2 1", "2"
#: Of those who came before, so many are looked up after each new person; at the end, all.
LOOKED_UP = 10
#: Between two persons. Without a pause they take the processor from the services that are being restarted.
PAUSE_S = 0.05


class Town:
    """Two services and people who speak to them; `keys` are numbers of look-up and sealing keys, those in use first."""

    def __init__(self, database: TestDatabase, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._services: list[tuple[Service, httpx.AsyncClient]] = []
        self._left: list[httpx.AsyncClient] = []
        self.found: dict[str, str] = {}
        self.looked_up = 0

    def environment(self, keys: str) -> dict[str, str]:
        def named(letter: str) -> str:
            ids = [letter + number for number in keys.split()]
            return ",".join(
                f"{one}={base64.b64encode(sha256(one.encode()).digest()).decode()}" for one in ids
            )

        return environment_for(
            self._database,
            self._folder,
            CONSENT_LOOKUP_KEYS=named("l"),
            CONSENT_SEALING_KEYS=named("s"),
            CONSENT_SWEEPER_DATABASE_URL=self._database.url("consent_sweeper"),
        )

    async def opens(self, keys: str) -> None:
        service = await start_service(self.environment(keys))
        self._services.append((service, service.client()))

    async def closes(self) -> None:
        """The service that has been at work for longest; what it has accepted is answered first."""
        service, client = self._services.pop(0)
        self._left.append(client)  # somebody may be about to speak by it
        assert await service.process.stop() == 0, "\n".join(service.process.lines)

    async def restarts(self, keys: str) -> None:
        """One after the other, so that one is always there."""
        for _ in range(2):
            await self.opens(keys)
            await self.closes()

    async def closes_all(self) -> None:
        while self._services:
            await self.closes()
        while self._left:
            await self._left.pop().aclose()

    async def speaks(self, enough: asyncio.Event) -> None:
        """Each new person comes to all services at one moment; then some who came before are looked up, in turn."""
        turns = 0
        while not enough.is_set():
            person = {"type": "email", "value": f"p{len(self.found)}@example.no"}
            clients = [client for _, client in self._services]
            made = await asyncio.gather(*(says_yes(client, person) for client in clients))
            ids = {one for one in made if one is not None}
            if not ids:
                continue
            assert len(ids) == 1, f"{person['value']} is {ids}"
            self.found[person["value"]] = ids.pop()
            known = list(self.found)
            await self.looks_up([known[(turns + place) % len(known)] for place in range(LOOKED_UP)])
            turns += LOOKED_UP
            await asyncio.sleep(PAUSE_S)

    async def looks_up(self, values: Iterable[str]) -> None:
        """Each by one of the services, which know the person under the id that was given at first."""
        for number, value in enumerate(values):
            _, client = self._services[number % len(self._services)]
            body = {"identifiers": [{"type": "email", "value": value}]}
            try:
                answer = await client.post("/v1/subjects/lookup", json=body)
            except httpx.TransportError:
                continue  # it is being stopped
            assert answer.status_code == 200, answer.text
            assert answer.json()["subject_id"] == self.found[value]
            self.looked_up += 1

    async def command(self, *arguments: str, keys: str) -> int:
        process = await start(*arguments, environment=self.environment(keys))
        return await process.ended(60)


async def says_yes(client: httpx.AsyncClient, person: dict[str, str]) -> str | None:
    """Whose id it is, new or known; None where the service is being stopped. It may ask to be asked again."""
    decision = {"purpose": "brev", "command": "grant", "version": 1}
    body = {"subject": {"identifiers": [person]}, "decisions": [decision]}
    for _ in range(20):
        try:
            answer = await client.post("/v1/decisions", json=body)
        except httpx.TransportError:
            return None
        assert answer.status_code in {200, 201, 503}, answer.text
        if answer.status_code != 503:
            return str(answer.json()["subject_id"])
    raise AssertionError("asked again too often")


@pytest.fixture
async def town(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Town]:
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        controller = ControllerEntry(slug="ansettr", legal_name="Ansettr AS")
        await Catalogue(opened).load(CatalogueEntries(controller=controller, purposes=(PURPOSE,)), "test")
    town = Town(database, tmp_path)
    await town.opens(OLD)
    await town.opens(OLD)
    try:
        yield town
    finally:
        await town.closes_all()


@asynccontextmanager
async def speaking(town: Town) -> AsyncIterator[None]:
    enough = asyncio.Event()
    running = asyncio.create_task(town.speaks(enough))
    try:
        yield
    finally:
        enough.set()
        await running


@pytest.fixture
async def rows(database: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await database.connect()
    yield connection
    await connection.close()


@pytest.mark.timeout(240)
async def test_R19_keys_are_rotated_under_way_and_nobody_notices(
    town: Town, rows: asyncpg.Connection
) -> None:
    async def has(condition: str) -> None:
        async def yes() -> bool:
            return bool(await rows.fetchval(f"select {condition}"))

        await eventually(yes, 60)

    async with speaking(town):
        await has("count(*) >= 20 from subjects")
        too_early = await town.command("keys", "rotate", keys=FIRST)
        await town.restarts(BEHIND)
        await town.restarts(FIRST)
        killed = await start("keys", "rotate", "--rows-per-s", "20", environment=town.environment(FIRST))
        await killed.hear("rows left")
        await killed.stop(signal.SIGKILL)
        done, left = [
            await rows.fetchval(f"select count(*) from {table} where key_id = '{key}'")
            for table, key in (("subject_keys", "s2"), ("identifiers", "s1"))
        ]
        rotated = await town.command("keys", "rotate", keys=FIRST)
        status = await town.command("keys", "status", keys=FIRST)
        still_known = await town.command("keys", "forget", "l1", keys=NEW)
        await town.restarts(NEW)
        forgotten = await town.command("keys", "forget", "l1", keys=NEW)
        before = len(town.found)
        await has(f"count(*) > {before} from subjects")
    await town.looks_up(town.found)
    await town.closes_all()

    assert (too_early, rotated, status) == (1, 0, 0)
    assert done > 0 and left > 0
    assert (still_known, forgotten) == (1, 0)
    assert await rows.fetchval("select count(*) from subjects") == len(set(town.found.values()))
    for table in ("subject_keys", "identifiers", "identifier_hashes"):
        assert await rows.fetchval(f"select array_agg(distinct right(key_id, 1)) from {table}") == ["2"]
    assert await rows.fetchval("select count(*) from key_holders") == 0
    assert await town.command("ledger", "verify", keys=NEW) == 0


async def test_a_sweeper_counts_among_those_that_know_keys(town: Town, rows: asyncpg.Connection) -> None:
    holders = "select lookup_ids, sealing_ids from key_holders"
    await town.closes_all()
    sweeper = await start("sweep", environment=town.environment(BEHIND))

    async def counts() -> bool:
        return bool(await rows.fetch(holders))

    await eventually(counts, 30)
    held = [tuple(row) for row in await rows.fetch(holders)]
    code = await sweeper.stop()

    assert held == [(["l1", "l2"], ["s1", "s2"])]
    assert (code, await rows.fetch(holders)) == (0, [])
