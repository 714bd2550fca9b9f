"""Sites from memory: how fresh, how cheap, and whose (API face 2, R22)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from consent_service.domain.errors import NotFound
from consent_service.storage.database import Database, open_database
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.sites import Sites
from tests.databases import TestDatabase
from tests.http.sites import LISTED, entries

FRESH_S = 5.0
KEY = "ansettr-web"
#: Longer than anything takes that needs no database, shorter than anybody waits for one.
PATIENCE_S = 4.0


class Ticks:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Process:
    """Sites of one process, whose database has one connection alone."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.catalogue = Catalogue(database)
        self.ticks = Ticks()
        self.sites = Sites(database, self.catalogue, fresh_s=FRESH_S, ticks=self.ticks)

    async def shown(self, key: str = KEY) -> list[str]:
        """The purposes on the site's first screen."""
        edition = await self.sites.edition(await self.sites.find(key))
        return [one.purpose for one in edition.screens[0].screen.purposes]


@pytest.fixture
async def process(database: TestDatabase) -> AsyncIterator[Process]:
    async with open_database(
        database.url(), connections_max=1, statement_timeout_s=10, lock_timeout_s=5, name="tests"
    ) as opened:
        running = Process(opened)
        for controller in ("ansettr", "sonh"):
            await running.catalogue.load(entries(controller), "test")
        yield running


async def test_while_it_is_fresh_nothing_is_asked_of_the_database(process: Process) -> None:
    """Its one connection is taken: who asked for it would wait."""
    before = await process.shown()
    async with process.database.session(), asyncio.timeout(PATIENCE_S):
        process.ticks.seconds += FRESH_S - 0.1
        for _ in range(1000):
            assert await process.shown() == before
        for number in range(1000):
            with pytest.raises(NotFound):
                await process.sites.find(f"nobody-{number}")


async def test_a_change_is_seen_once_what_was_read_is_old(process: Process) -> None:
    before = await process.shown()
    await process.catalogue.load(entries(listed=LISTED[:2]), "test")
    process.ticks.seconds += FRESH_S - 0.1
    assert await process.shown() == before
    process.ticks.seconds += 0.2

    assert await process.shown() == list(LISTED[:2])


async def test_a_new_origin_and_a_new_site_are_seen_too(process: Process) -> None:
    assert "https://ansettr.no" in (await process.sites.find(KEY)).origins
    with pytest.raises(NotFound):
        await process.sites.find("coness-web")
    await process.catalogue.load(entries("coness"), "test")
    process.ticks.seconds += FRESH_S

    assert (await process.sites.find("coness-web")).controller == "coness"


async def test_with_a_database_that_does_not_answer_what_is_known_is_shown(process: Process) -> None:
    """And the next requests do not wait again for a while."""
    before = await process.shown()
    async with process.database.session(), asyncio.timeout(PATIENCE_S):
        process.ticks.seconds += FRESH_S
        assert await process.shown() == before
        for _ in range(100):
            assert await process.shown() == before


async def test_many_at_once_make_one_look(process: Process) -> None:
    """The first of a process, and again when it is old; with one connection, many looks would take turns."""
    for _ in range(2):
        shown = await asyncio.gather(*(process.shown() for _ in range(200)))
        assert len({tuple(one) for one in shown}) == 1
        process.ticks.seconds += FRESH_S
    first, second = await asyncio.gather(process.sites.find(KEY), process.sites.find(KEY))

    assert first is second


async def test_many_at_once_get_one_edition(process: Process) -> None:
    """Written out and kept once, also where nobody has seen it yet."""
    site = await process.sites.find(KEY)
    editions = await asyncio.gather(*(process.sites.edition(site) for _ in range(50)))

    assert all(one is editions[0] for one in editions)


async def test_only_the_site_of_a_changed_catalogue_is_made_again(process: Process) -> None:
    ours, theirs = await process.sites.find(KEY), await process.sites.find("sonh-web")
    await process.catalogue.load(entries(listed=LISTED[:2]), "test")
    process.ticks.seconds += FRESH_S

    assert await process.sites.find("sonh-web") is theirs
    assert await process.sites.find(KEY) is not ours


async def test_R22_the_directory_tells_keys_and_no_more(process: Process, database: TestDatabase) -> None:
    """Whose a key is, is told to the service alone; what a site is, to a transaction that names its controller."""
    await process.shown()
    connection = await database.connect("consent_service")
    directory = await connection.fetch("select * from site_directory()")
    assert [(row["site_key"], row["controller"]) for row in directory] == [
        ("ansettr-web", "ansettr"),
        ("sonh-web", "sonh"),
    ]
    assert set(directory[0].keys()) == {"site_key", "controller", "revision"}
    assert await connection.fetch("select from sites") == []
    assert await connection.fetch("select from screens") == []
    await connection.execute("set consent.controllers = 'sonh'")
    assert [row[0] for row in await connection.fetch("select site_key from sites")] == ["sonh-web"]
    await connection.close()
    for role in ("consent_relay", "consent_sweeper", "consent_auditor"):
        connection = await database.connect(role)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select * from site_directory()")
        await connection.close()
