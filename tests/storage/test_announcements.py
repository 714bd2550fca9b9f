"""Relays in other processes hear of commits at once, and of everything they missed while they could not hear."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consent_service.domain.errors import Unavailable
from consent_service.storage import announcements
from consent_service.storage.announcements import Announcer, hear_announcements
from tests.databases import TestDatabase
from tests.events.streams import eventually, opened
from tests.usecases.recording import a_command, open_room, someone

LISTENING = (
    "select count(*) from pg_stat_activity where application_name = 'consent-relay-listener' and datname = $1"
)
END = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename <> 'postgres'"


class Heard:
    """Counts what the relay's role hears."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1

    async def more(self, than: int) -> None:
        async def is_more() -> bool:
            return self.times > than

        await eventually(is_more)


@asynccontextmanager
async def hearing(database: TestDatabase) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(hear_announcements(database.url("consent_relay"), heard))
    try:
        await heard.more(0)
        yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def announcing(database: TestDatabase) -> AsyncIterator[Announcer]:
    async with opened(database, "consent_service") as service:
        announcer = Announcer(service)
        task = asyncio.create_task(announcer.run())
        try:
            yield announcer
        finally:
            assert not task.done(), "the announcer has ended"
            task.cancel()
            await asyncio.wait({task})


async def ask(database: TestDatabase, statement: str) -> int:
    connection = await database.connect()
    try:
        number: int = await connection.fetchval(statement, database.name)
    finally:
        await connection.close()
    return number


async def test_what_is_committed_is_heard(database: TestDatabase) -> None:
    async with announcing(database) as announcer, open_room(database, wake=announcer.wake) as room:
        async with hearing(database) as heard:
            before = heard.times
            await room.says(someone("anna"), a_command())

            await heard.more(before)


async def test_many_commits_at_once_are_few_announcements(database: TestDatabase) -> None:
    async with announcing(database) as announcer, hearing(database) as heard:
        before = heard.times
        for _ in range(100):
            announcer.wake()
        await heard.more(before)

        # The last one may be under way while the others come.
        assert heard.times - before <= 2


async def test_a_listener_that_lost_its_connection_hears_again(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And looks at once: what was announced meanwhile is lost."""
    monkeypatch.setattr(announcements, "AGAIN_S", 0.01)
    async with announcing(database) as announcer, hearing(database) as heard:
        before = heard.times
        await ask(database, END)
        await heard.more(before)
        assert await ask(database, LISTENING) == 1

        before = heard.times
        announcer.wake()
        await heard.more(before)


async def test_an_announcer_outlives_a_database_that_was_away(database: TestDatabase) -> None:
    """Nobody but the superuser gets a connection for a while."""
    superuser = await database.connect()
    async with announcing(database) as announcer, hearing(database) as heard:
        await superuser.execute(f"alter database {database.name} connection limit 0")
        await ask(database, END)
        announcer.wake()
        await eventually(lambda: refused(announcer))
        await superuser.execute(f"alter database {database.name} connection limit -1")
        before = heard.times
        announcer.wake()

        await heard.more(before)
    await superuser.close()


async def refused(announcer: Announcer) -> bool:
    """Whether the announcer has taken up what it was told, and got no connection."""
    try:
        async with announcer._database.session():
            return False
    except Unavailable:
        return not announcer._due.is_set()


async def test_a_listener_takes_one_connection_and_gives_it_back(database: TestDatabase) -> None:
    async with hearing(database):
        assert await ask(database, LISTENING) == 1

    async def gone() -> bool:
        return await ask(database, LISTENING) == 0

    await eventually(gone)


async def test_an_announcer_outlives_a_statement_that_failed(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a standby that was just promoted, or where the server's own queue of announcements is full."""
    works = announcements._NOTIFY
    async with announcing(database) as announcer, hearing(database) as heard:
        monkeypatch.setattr(announcements, "_NOTIFY", "set local statement_timeout = 1; select pg_sleep(1)")
        announcer.wake()
        await eventually(lambda: taken_up(announcer))
        monkeypatch.setattr(announcements, "_NOTIFY", works)
        before = heard.times
        announcer.wake()

        await heard.more(before)


async def taken_up(announcer: Announcer) -> bool:
    return not announcer._due.is_set()
