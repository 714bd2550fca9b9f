"""A rotation never goes ahead of a process that is alive (R19)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from consent_service.storage import key_holders as storage
from consent_service.storage.database import Connection
from consent_service.storage.key_holders import KeyHolder
from consent_service.storage.keyring import Keyring
from consent_service.usecases import key_holding
from consent_service.usecases.key_holding import hold
from consent_service.usecases.rotation import HeldUp
from tests.databases import TestDatabase
from tests.events.streams import eventually
from tests.usecases.recording import Room
from tests.usecases.rotating import BEHIND, FIRST, NEW, OLD, a_keeper, process, under

HELD = "select count(*) from key_holders"


@asynccontextmanager
async def alive(room: Room, keyring: Keyring, name: str, rows: asyncpg.Connection) -> AsyncIterator[None]:
    """A process that knows these keys, while the block runs."""
    stop = asyncio.Event()
    running = asyncio.create_task(hold(room.database, keyring, name, stop))

    async def is_told() -> bool:
        return bool(await rows.fetchval("select true from key_holders where holder = $1", name))

    await eventually(is_told, 10)
    yield
    stop.set()
    await running


async def test_a_process_counts_from_its_start_to_its_end(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    async with a_keeper(database, FIRST) as keeper:
        async with alive(room, BEHIND, "b", rows), alive(room, OLD, "a", rows):
            meanwhile = await keeper.rotation.survey()
        after = await keeper.rotation.survey()

    assert meanwhile.holders == [
        KeyHolder("a", ["l1"], ["s1"]),
        KeyHolder("b", ["l1", "l2"], ["s1", "s2"]),
    ]
    assert (meanwhile.unaware, meanwhile.behind) == (["a"], ["a", "b"])
    assert after.holders == []


async def test_one_that_died_without_a_word_lapses_and_is_forgotten(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    await rows.execute("insert into key_holders values ('dead', '{l1}', '{s1}', now() - interval '1 s')")
    async with a_keeper(database, FIRST) as keeper:
        survey = await keeper.rotation.survey()
    async with alive(room, FIRST, "a", rows):
        held = await rows.fetchval(HELD)

    assert (survey.holders, held) == ([], 1)


async def test_one_that_is_held_up_is_believed_again(
    room: Room, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away at its first word, and its second was lost."""
    said = 0

    async def away_at_first(connection: Connection, held: KeyHolder, seconds: float) -> None:
        nonlocal said
        said += 1
        if said == 1:
            raise OSError
        await storage.hold_keys(connection, held, seconds)
        if said == 2:
            await connection.execute("delete from key_holders")

    monkeypatch.setattr(key_holding, "hold_keys", away_at_first)
    monkeypatch.setattr(key_holding, "EVERY_S", 0.01)
    async with alive(room, OLD, "a", rows):
        assert said > 1


async def test_nothing_is_rotated_while_a_process_does_not_know_the_keys_in_use(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with process(database, OLD, ["ansettr"]) as old, a_keeper(database, FIRST) as keeper:
        await old.meets("anna")
        async with alive(old.room, OLD, "old", rows), alive(old.room, BEHIND, "behind", rows):
            with pytest.raises(HeldUp) as refused:
                await keeper.rotation.rotate()
        before = await under(rows, "subject_keys")
        async with alive(old.room, BEHIND, "behind", rows):
            meanwhile = await keeper.rotation.rotate()
        after = await keeper.rotation.survey()

    assert refused.value.holders == ["old"]
    assert before == {"s1": 1}
    # The one with the old keys first would go on writing under them.
    assert (meanwhile.due, meanwhile.removable) == (0, [])
    assert after.removable == ["l1", "s1"]


async def test_a_rotation_stops_as_soon_as_a_process_starts_that_does_not_know_the_keys_in_use(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with process(database, OLD, ["ansettr"]) as old:
        for number in range(6):
            await old.meets(f"p{number}")

        async def starts(_: float) -> None:
            await rows.execute(
                "insert into key_holders values ('late', '{l1}', '{s1}', now() + interval '1 hour') "
                "on conflict do nothing"
            )

        async with a_keeper(database, FIRST, rows_per_s=2, sleep=starts) as keeper:
            with pytest.raises(HeldUp, match="late"):
                await keeper.rotation.rotate()

    assert await under(rows, "subject_keys") == {"s1": 4, "s2": 2}


@pytest.mark.parametrize("keyring", [FIRST, OLD], ids=["it knows the old key still", "it knows no other"])
async def test_no_key_is_forgotten_that_a_process_has(
    database: TestDatabase, rows: asyncpg.Connection, keyring: Keyring
) -> None:
    async with process(database, OLD, ["ansettr"]) as old, a_keeper(database, FIRST) as keeper:
        await old.meets("anna")
        await keeper.rotation.rotate()
        async with alive(old.room, keyring, "a", rows), a_keeper(database, NEW) as forgetting:
            with pytest.raises(HeldUp, match="a"):
                await forgetting.rotation.forget("l1")
        async with alive(old.room, NEW, "a", rows), a_keeper(database, NEW) as forgetting:
            assert await under(rows, "identifier_hashes") == {"l1": 1, "l2": 1}
            assert await forgetting.rotation.forget("l1") == 1


async def test_processes_without_a_look_up_key_in_common_tell_it(
    room: Room, rows: asyncpg.Connection, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_holding, "EVERY_S", 0.01)
    with caplog.at_level(logging.ERROR):
        async with alive(room, OLD, "a", rows), alive(room, BEHIND, "b", rows):
            assert caplog.records == []
            async with alive(room, NEW, "c", rows):

                async def is_told() -> bool:
                    return len(caplog.records) == 2

                await eventually(is_told, 10)

    told: list[Any] = [(one.getMessage()[:44], vars(one)["holder"]) for one in caplog.records]
    assert sorted(told, key=lambda one: str(one[1])) == [
        ("another process has no look-up key in common", "a"),
        ("another process has no look-up key in common", "c"),
    ]
