"""The write path where things go wrong: no database, locks that are held, callers that leave, the end (R23, R25)."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from consent_service.domain.errors import Unavailable
from consent_service.embedded.ports import free_port
from consent_service.storage.database import open_database
from consent_service.usecases.submissions import Answer
from tests.databases import TestDatabase
from tests.usecases.recording import (
    Clock,
    Room,
    a_command,
    a_submission,
    kinds,
    known,
    sequence_of,
    someone,
    together,
)

WAITS = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"


async def test_a_database_that_is_away_is_said_and_nothing_waits_for_ever(database: TestDatabase) -> None:
    nowhere = f"postgresql://consent_service@127.0.0.1:{free_port()}/nowhere"
    async with open_database(
        nowhere, connections_max=2, statement_timeout_s=1, lock_timeout_s=1, name="tests"
    ) as away:
        outcomes = await together(*(Room(away, Clock()).says(someone("anna"), a_command()) for _ in range(3)))

    assert kinds(outcomes) == [Unavailable] * 3


async def test_a_connection_cut_while_it_waits_is_said_and_the_next_submission_goes_through(
    room: Room, rows: asyncpg.Connection, database: TestDatabase
) -> None:
    anna = (await room.says(someone("anna"))).subject_id
    holder = await database.connect()
    await holder.execute("begin; update subjects set last_sequence = last_sequence")
    said = asyncio.ensure_future(room.says(known(anna), a_command()))
    await until_somebody_waits(rows)
    await rows.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where wait_event_type = 'Lock' and datname = current_database()"
    )

    with pytest.raises(Unavailable):
        await said
    await holder.close()
    assert sequence_of(await room.says(known(anna), a_command())) == 1


async def until_somebody_waits(rows: asyncpg.Connection) -> None:
    """For a lock, in this database; ten seconds at most."""
    async with asyncio.timeout(10):
        while not await rows.fetchval(WAITS):
            await rows.execute("select pg_stat_clear_snapshot()")


async def test_a_person_that_somebody_else_holds_locked_is_given_up_after_a_few_tries(
    database: TestDatabase, room: Room
) -> None:
    anna = (await room.says(someone("anna"))).subject_id
    holder = await database.connect()
    await holder.execute("begin; update subjects set last_sequence = last_sequence")
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=5, lock_timeout_s=0.05, name="tests"
    ) as impatient:
        outcomes = await together(Room(impatient, Clock()).says(known(anna), a_command()))
    await holder.close()

    assert kinds(outcomes) == [Unavailable]


async def test_closing_waits_for_what_was_accepted_and_refuses_what_comes_later(
    room: Room, rows: asyncpg.Connection
) -> None:
    accepted = [asyncio.ensure_future(room.says(someone(str(number)), a_command())) for number in range(5)]
    closing = asyncio.ensure_future(room.ledger.close())
    await closing
    assert await rows.fetchval("select count(*) from records") == 5

    assert kinds(await together(*accepted)) == [Answer] * 5
    with pytest.raises(Unavailable):
        await room.says(someone("later"), a_command())


async def test_a_caller_that_leaves_does_not_take_its_submission_back(
    room: Room, rows: asyncpg.Connection
) -> None:
    leaving = asyncio.ensure_future(room.ledger.submit(a_submission(someone("anna"), a_command())))
    staying = asyncio.ensure_future(room.ledger.submit(a_submission(someone("bjarne"), a_command())))
    asyncio.get_running_loop().call_soon(leaving.cancel)

    assert (await staying).appended
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await rows.fetchval("select count(*) from records") == 2
