"""How long a presented key is believed or refused without asking, what a stranger can cost, and what is kept of uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import msgspec
import pytest

from consent_service.beside import beside
from consent_service.domain.api_keys import ApiKey, ApiKeyName, write_api_key
from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry
from consent_service.domain.errors import Overloaded, Unavailable
from consent_service.http import api_keys
from consent_service.http.api_keys import REMEMBERED_S, STREAM_S, PresentedKeys
from consent_service.http.auth import Principal
from consent_service.http.refusals import TokenRefused
from consent_service.storage.api_keys import keep_uses
from consent_service.storage.database import Database, open_database
from consent_service.usecases import clock
from consent_service.usecases.api_keys import ApiKeys
from consent_service.usecases.catalogue import Catalogue
from tests.databases import TestDatabase
from tests.events.streams import eventually, opened
from tests.http.api_keys import make, take_back


class Counting(ApiKeys):
    """Says how often the database was asked; `gate` holds the look-ups up."""

    def __init__(self, database: Database) -> None:
        self.moment = clock.now()
        self.asked: list[ApiKeyName] = []
        self.under_way = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()
        super().__init__(database, now=lambda: self.moment)

    async def find(self, name: ApiKeyName, digest: bytes) -> ApiKey | None:
        self.asked.append(name)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.gate.wait()
        try:
            return await super().find(name, digest)
        finally:
            self.under_way -= 1


class Process:
    """A serving process: what it presents keys to, and its clocks."""

    def __init__(self, database: Database) -> None:
        self.keys = Counting(database)
        self.seconds = 0.0
        self.presented = PresentedKeys(self.keys, now=lambda: self.keys.moment, seconds=lambda: self.seconds)

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.keys.moment += timedelta(seconds=seconds)

    async def lets_in(self, text: str) -> Principal:
        return await self.presented.principal(text.encode())

    async def refuses(self, text: str) -> str:
        with pytest.raises(TokenRefused) as refusal:
            await self.lets_in(text)
        return refusal.value.detail


@asynccontextmanager
async def a_process(database: TestDatabase) -> AsyncIterator[Process]:
    async with opened(database, "consent_service") as pool:
        yield Process(pool)


@pytest.fixture
async def process(database: TestDatabase) -> AsyncIterator[Process]:
    async with opened(database, "consent_service") as pool:
        entry = ControllerEntry(slug="ansettr", legal_name="Ansettr AS")
        await Catalogue(pool).load(CatalogueEntries(controller=entry, purposes=()), "test")
        yield Process(pool)


def guess(number: int) -> str:
    """A whole key that nobody made."""
    return write_api_key(ApiKeyName("ansettr", "abcdefghijk0"), f"{number:043d}")


async def test_a_key_is_looked_up_once_in_ten_seconds(process: Process, database: TestDatabase) -> None:
    _, text = await make(database)
    first = await process.lets_in(text)
    process.passes(REMEMBERED_S - 0.1)
    assert await process.lets_in(text) is first
    process.passes(0.1)
    again = await process.lets_in(text)

    assert again is not first
    assert len(process.keys.asked) == 2


async def test_a_revocation_is_heard_of_within_ten_seconds_everywhere(
    process: Process, database: TestDatabase
) -> None:
    key, text = await make(database)
    async with a_process(database) as other:
        await process.lets_in(text)
        await take_back(database, key)
        assert await other.refuses(text) == "The API key was revoked."
        process.passes(REMEMBERED_S)
        assert await process.refuses(text) == "The API key was revoked."


async def test_a_key_is_not_believed_past_its_end(process: Process, database: TestDatabase) -> None:
    _, text = await make(database, lifetime="PT5S", now=process.keys.moment)
    await process.lets_in(text)
    process.passes(4.9)
    await process.lets_in(text)
    process.passes(0.1)

    assert await process.refuses(text) == "The API key has expired."


async def test_a_stream_that_a_key_opened_ends_within_a_quarter_of_an_hour(
    process: Process, database: TestDatabase
) -> None:
    """The stream ends with the principal: so a revoked key follows nothing for longer."""
    for lifetime, seconds in (("P1Y", STREAM_S), ("PT1M", 60.0)):
        _, text = await make(database, lifetime=lifetime, now=process.keys.moment)
        principal = await process.lets_in(text)
        assert principal.expires_at == pytest.approx(process.keys.moment.timestamp() + seconds)


async def test_a_key_that_is_not_whole_costs_no_look_up(process: Process, database: TestDatabase) -> None:
    _, text = await make(database)
    for broken in (
        text[:-1],
        text[:-1] + ("0" if text[-1] != "0" else "1"),
        text + "0",
        "consent_",
        "x" * 9_000,
    ):
        await process.refuses(broken)

    assert process.keys.asked == []


async def test_a_refused_key_costs_one_look_up_in_ten_seconds(process: Process) -> None:
    for _ in range(3):
        assert await process.refuses(guess(1)) == "The API key is not known here."
    assert len(process.keys.asked) == 1
    process.passes(REMEMBERED_S)
    await process.refuses(guess(1))

    assert len(process.keys.asked) == 2


async def test_what_strangers_make_up_pushes_no_good_key_out(
    process: Process, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "REMEMBERED_MAX", 3)
    _, text = await make(database)
    first = await process.lets_in(text)
    for number in range(4):
        await process.refuses(guess(number))
    asked = len(process.keys.asked)
    await process.refuses(guess(3))

    assert await process.lets_in(text) is first
    assert len(process.keys.asked) == asked
    await process.refuses(guess(0))
    assert len(process.keys.asked) == asked + 1, "of the refused the oldest is forgotten first"


async def test_of_many_with_one_key_at_once_few_ask_and_all_are_answered(
    process: Process, database: TestDatabase
) -> None:
    _, text = await make(database)
    principals = await asyncio.gather(*(process.lets_in(text) for _ in range(50)))

    assert {principal.caller.controller for principal in principals} == {"ansettr"}
    assert len(process.keys.asked) <= api_keys.LOOK_UPS_MAX


async def test_look_ups_take_a_few_connections_and_no_more(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "WAITING_MAX", 20)
    process.keys.gate.clear()
    guesses = [asyncio.create_task(process.refuses(guess(number))) for number in range(20)]
    async with asyncio.timeout(10):
        while process.keys.under_way < api_keys.LOOK_UPS_MAX:  # noqa: ASYNC110  the tasks take their turns
            await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await process.lets_in(guess(20))
    process.keys.gate.set()
    await asyncio.gather(*guesses)

    assert process.keys.most == api_keys.LOOK_UPS_MAX
    assert await process.refuses(guess(21)) == "The API key is not known here."


async def test_without_the_database_nobody_is_let_in_and_nobody_refused() -> None:
    async with open_database(
        "postgresql://consent_service@127.0.0.1:1/none",
        connections_max=1,
        statement_timeout_s=1,
        lock_timeout_s=1,
        name="test",
    ) as nowhere:
        process = Process(nowhere)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await process.lets_in(guess(1))

    assert len(process.keys.asked) == 2, "a look-up that failed is not remembered"


async def last_used(database: TestDatabase) -> datetime | None:
    connection = await database.connect()
    at: datetime | None = await connection.fetchval("select last_used_at from api_keys")
    await connection.close()
    return at


async def used_at(database: TestDatabase, moment: datetime) -> None:
    """Return once the key is known to have been used at that moment."""

    async def so() -> bool:
        return await last_used(database) == moment

    await eventually(so)


async def test_the_last_use_is_kept_to_the_minute(process: Process, database: TestDatabase) -> None:
    _, text = await make(database)
    assert await last_used(database) is None
    async with beside(process.keys.keep_uses(), name="uses"):
        await process.lets_in(text)
        first = process.keys.moment
        await used_at(database, first)
        process.passes(59)
        await process.lets_in(text)
        process.passes(11)
        await process.lets_in(text)
        await used_at(database, first + timedelta(seconds=70))


async def test_of_several_processes_one_writes_in_a_minute(process: Process, database: TestDatabase) -> None:
    """Each knows what it read when it looked the key up; the database knows what the others wrote since."""
    key, _ = await make(database)
    name, first = ApiKeyName(key.controller, key.key_id), process.keys.moment
    async with opened(database, "consent_service") as pool:
        for seconds, known in ((0, 0), (30, 0), (59.9, 0), (60, 60), (10, 60)):
            async with pool.transaction(["ansettr"]) as connection:
                await keep_uses(connection, {name: first + timedelta(seconds=seconds)})
            assert await last_used(database) == first + timedelta(seconds=known)


async def test_a_use_that_is_known_to_the_minute_is_not_noted(
    process: Process, database: TestDatabase
) -> None:
    key, _ = await make(database)
    for seconds, noted in ((0.0, False), (59.9, False), (60.0, True)):
        used = process.keys.moment - timedelta(seconds=seconds)
        process.keys.note_use(msgspec.structs.replace(key, last_used_at=used))
        assert process.keys._noted.is_set() is noted


async def test_a_refused_key_was_not_used(process: Process, database: TestDatabase) -> None:
    key, text = await make(database)
    await take_back(database, key)
    await process.refuses(text)
    async with beside(process.keys.keep_uses(), name="uses"):
        _, good = await make(database)
        await process.lets_in(good)

        async def one_is_used() -> bool:
            connection = await database.connect()
            rows = await connection.fetch("select key_id from api_keys where last_used_at is not null")
            await connection.close()
            return bool(rows) and [row[0] for row in rows] != [key.key_id]

        await eventually(one_is_used)


async def test_no_answer_waits_for_a_use_to_be_written(process: Process, database: TestDatabase) -> None:
    """Somebody holds the key's row; whoever presents the key is let in all the same."""
    _, text = await make(database)
    holder: asyncpg.Connection = await database.connect()
    async with beside(process.keys.keep_uses(), name="uses"):
        async with holder.transaction():
            await holder.execute("select from api_keys for update")
            async with asyncio.timeout(4):
                await process.lets_in(text)
                process.passes(REMEMBERED_S)
                await process.lets_in(text)
            assert await last_used(database) is None
        await eventually(lambda: is_used(database))
    await holder.close()


async def is_used(database: TestDatabase) -> bool:
    return await last_used(database) is not None
