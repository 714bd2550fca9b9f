"""A sweeper that dies, meets locks, shares the work or has much to do: nothing is lost, nothing told twice (R17, R23)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from consent_service.storage import sweeping as storage
from consent_service.usecases import sweeping
from consent_service.usecases.sweeping import SETTLED
from tests.builders import DAY_ZERO, MOMENT, day
from tests.databases import TestDatabase
from tests.events.streams import eventually
from tests.usecases.recording import Room, a_command, faults_of, known, someone
from tests.usecases.sweepers import Broom, a_broom, own_records

THREE_YEARS = DAY_ZERO.replace(year=DAY_ZERO.year + 3)
PROGRESS = "select swept, upto_subject, left_behind, finished_at from sweeps where version = 2"


@pytest.fixture
async def broom(database: TestDatabase, room: Room) -> AsyncIterator[Broom]:
    async with a_broom(database, room.clock) as broom:
        yield broom


async def progress(rows: asyncpg.Connection) -> asyncpg.Record:
    row = await rows.fetchrow(PROGRESS)
    assert row is not None
    return row


async def consents(room: Room, number: int) -> None:
    await asyncio.gather(*(room.says(someone(f"p{place}"), a_command()) for place in range(number)))


async def test_a_sweep_goes_on_where_another_sweeper_was_stopped(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    await consents(room, 30)
    await room.changes_materially("ansettr")
    async with a_broom(database, room.clock, rows_per_s=10) as first:
        await first.sweeper.round()
    swept, upto, _, finished = await progress(rows)
    told = {record["subject_id"] for record in await own_records(rows)}
    async with a_broom(database, room.clock, rows_per_s=10, holder="two") as second:
        await second.sweeper.round()
        later = {record["subject_id"] for record in await own_records(rows)} - told
        await second.sweeps()

    assert (swept, finished, len(told), max(told)) == (10, None, 10, upto)
    assert (len(later), min(later) > upto) == (10, True)
    assert len(await own_records(rows)) == 30
    assert (await progress(rows))["swept"] == 30
    assert await faults_of(database) == []


async def test_a_sweeper_that_dies_after_the_records_and_before_its_place_is_kept_tells_nobody_twice(
    database: TestDatabase, room: Room, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(Exception):
        pass

    async def dies(*_: object) -> None:
        raise Died

    await consents(room, 30)
    await room.changes_materially("ansettr")
    async with a_broom(database, room.clock, rows_per_s=10) as first:
        with monkeypatch.context() as patched:
            patched.setattr(sweeping, "advance_sweep", dies)
            with pytest.raises(Died):
                await first.sweeper.round()
    halfway = len(await own_records(rows))
    async with a_broom(database, room.clock, holder="two") as second:
        await second.sweeps()

    told = await own_records(rows)
    assert halfway == 10
    assert len(told) == len({record["subject_id"] for record in told}) == 30
    assert await faults_of(database) == []


async def test_a_sweep_ends_with_a_walk_that_began_well_after_the_change(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    """Somebody may have agreed at the moment of the change, in a transaction that ended behind the walk."""
    await consents(room, 3)
    await room.changes_materially("ansettr")
    await broom.sweeps()
    first = await progress(rows)
    # As a transaction leaves it that was decided before the change and committed after the walk had passed.
    behind = await rows.fetchval("select min(subject_id::text)::uuid from states")
    await rows.execute("update states set status = 'given', command = 'grant' where subject_id = $1", behind)
    room.clock.moment += SETTLED - MOMENT
    await broom.sweeps()
    early = await progress(rows)
    room.clock.moment += MOMENT
    await broom.sweeps()
    await broom.sweeps()
    last = await progress(rows)

    assert (first["swept"], first["finished_at"]) == (3, None)
    assert (early["swept"], early["finished_at"]) == (3, None)
    assert (last["swept"], last["finished_at"]) == (4, room.clock.moment)


async def test_whoever_is_locked_is_passed_over_and_swept_later(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await consents(room, 5)
    held = await rows.fetchval("select min(subject_id::text)::uuid from subjects")
    room.clock.moment = THREE_YEARS
    async with rows.transaction():
        await rows.execute("select 1 from subjects where subject_id = $1 for update", held)
        await broom.sweeps()
    passed_over = [record["subject_id"] for record in await own_records(rows)]
    await broom.looks_back()

    assert (len(passed_over), held in passed_over) == (4, False)
    assert len(await own_records(rows)) == 5
    assert await faults_of(database) == []


async def test_a_walk_that_left_somebody_behind_is_not_the_last(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await consents(room, 5)
    await room.changes_materially("ansettr")
    room.clock.moment += SETTLED
    held = await rows.fetchval("select min(subject_id::text)::uuid from subjects")
    async with rows.transaction():
        await rows.execute("select 1 from subjects where subject_id = $1 for update", held)
        await broom.sweeps()
    left = await progress(rows)
    room.clock.moment += SETTLED
    await broom.sweeps()
    await broom.sweeps()
    last = await progress(rows)

    assert (left["swept"], left["left_behind"], left["finished_at"]) == (4, 1, None)
    assert (last["swept"], last["left_behind"], last["finished_at"]) == (5, 0, room.clock.moment)
    assert await faults_of(database) == []


async def test_a_sweeper_that_was_held_up_leaves_the_next_walk_alone(
    database: TestDatabase, room: Room, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is locked while it looks must be met by the walk that another has begun meanwhile."""
    reached, goes_on = asyncio.Event(), asyncio.Event()
    advance = storage.advance_sweep

    async def held_up(*told: Any) -> None:
        reached.set()
        await goes_on.wait()
        await advance(*told)

    await consents(room, 5)
    await room.changes_materially("ansettr")
    held = await rows.fetchval("select min(subject_id::text)::uuid from subjects")
    async with a_broom(database, room.clock) as first, a_broom(database, room.clock, holder="two") as second:
        async with rows.transaction():
            await rows.execute("select 1 from subjects where subject_id = $1 for update", held)
            monkeypatch.setattr(sweeping, "advance_sweep", held_up)
            late = asyncio.create_task(first.sweeper.round())
            await reached.wait()
            monkeypatch.setattr(sweeping, "advance_sweep", advance)
            await second.sweeper.round()
        room.clock.moment += 2 * SETTLED
        # An empty page ends the first walk, and the second begins.
        await second.sweeper.round()
        began = await progress(rows)
        goes_on.set()
        await late
        after = await progress(rows)
        for _ in range(3):
            room.clock.moment += 2 * SETTLED
            await second.sweeps()

    assert (began["upto_subject"].int, began["left_behind"]) == (0, 0)
    assert after == began
    assert held in {record["subject_id"] for record in await own_records(rows)}
    assert (await progress(rows))["finished_at"] is not None


async def test_a_walk_is_not_the_last_where_another_sweeper_passed_somebody_over_in_it(
    database: TestDatabase, room: Room, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = storage.finish_sweep

    async def comes_late(*told: Any) -> bool:
        # As the other one leaves it, of the same walk.
        await rows.execute("update sweeps set left_behind = 1")
        return await finish(*told)

    await consents(room, 5)
    await room.changes_materially("ansettr")
    room.clock.moment += 2 * SETTLED
    async with a_broom(database, room.clock) as broom:
        with monkeypatch.context() as patched:
            patched.setattr(sweeping, "finish_sweep", comes_late)
            await broom.sweeps()
        unfinished = await progress(rows)
        for _ in range(3):
            room.clock.moment += 2 * SETTLED
            await broom.sweeps()

    assert (unfinished["left_behind"], unfinished["finished_at"]) == (1, None)
    assert (await progress(rows))["finished_at"] is not None


async def test_R16_a_late_fact_behind_the_walk_says_by_itself_that_it_is_invalid(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    """So no record is owed, until its own end closes what is stored."""
    await room.changes_materially("ansettr")
    room.clock.moment += 2 * SETTLED
    await broom.sweeps()
    finished = (await progress(rows))["finished_at"]
    imported = a_command(channel="import", occurred_at=day(-1), evidence=b'{"form":"7"}')
    late = await room.says(someone("anna"), imported)
    await broom.looks_back()
    owed = await own_records(rows)
    room.clock.moment = THREE_YEARS
    await broom.looks_back()

    assert finished is not None
    assert (late.results[0].permission.allowed, late.results[0].permission.status) == (False, "invalidated")
    assert owed == []
    assert [(record["command"], record["occurred_at"]) for record in await own_records(rows)] == [
        ("invalidate", DAY_ZERO)
    ]
    assert await faults_of(database) == []


async def test_R15_a_late_fact_that_had_ended_before_it_came_is_closed_when_the_sweeper_looks_back(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await room.says(someone("bo"), a_command())
    room.clock.moment = THREE_YEARS + timedelta(days=300)
    await broom.sweeps()
    imported = a_command(channel="import", occurred_at=day(-1), evidence=b'{"form":"7"}')
    anna = (await room.says(someone("anna"), imported)).subject_id
    await broom.looks_back()

    assert [record["occurred_at"] for record in await own_records(rows, anna)] == [
        THREE_YEARS - timedelta(days=1)
    ]
    assert await faults_of(database) == []


async def test_no_more_is_swept_a_second_than_is_allowed(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    await consents(room, 50)
    room.clock.moment = THREE_YEARS
    async with a_broom(database, room.clock, rows_per_s=10) as broom:
        await broom.sweeps()

    assert len(await own_records(rows)) == 50
    assert 4.0 <= broom.ticks.at < 6.0


async def test_what_waits_is_counted_and_shown(database: TestDatabase, room: Room) -> None:
    await consents(room, 30)
    await room.changes_materially("ansettr")
    async with a_broom(database, room.clock, rows_per_s=10) as broom:
        await broom.sweeper.round()
        value = broom.metrics.registry.get_sample_value
        pending = value("consent_sweep_pending", {"kind": "invalidate"})
        ended = value("consent_sweep_pending", {"kind": "expire"})

    assert (pending, ended) == (20, 0)


async def test_sweepers_work_one_at_a_time_and_the_next_follows(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    async def holder() -> str | None:
        found: str | None = await rows.fetchval("select holder from sweeper_lease")
        return found

    async with (
        a_broom(database, room.clock, holder="one") as one,
        a_broom(database, room.clock, holder="two") as two,
    ):
        one_stops, two_stops = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(one.sweeper.run(one_stops))

        async def one_holds() -> bool:
            return await holder() == "one"

        await eventually(one_holds)
        waits = await two.sweeper._turn()
        held = await holder()
        one_stops.set()
        await asyncio.wait_for(running, 5)
        following = asyncio.create_task(two.sweeper.run(two_stops))

        async def two_holds() -> bool:
            return await holder() == "two"

        await eventually(two_holds)
        two_stops.set()
        await asyncio.wait_for(following, 5)

    assert (waits > 0, held, await holder()) == (True, "one", None)


async def test_a_fault_ends_a_round_and_never_the_sweeper(
    database: TestDatabase,
    room: Room,
    rows: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sweeping, "_RETRY_S", 0.01)
    anna = (await room.says(someone("anna"), a_command())).subject_id
    room.clock.moment = THREE_YEARS
    await rows.execute("alter table states rename to elsewhere")
    async with a_broom(database, room.clock) as broom:
        stop = asyncio.Event()
        running = asyncio.create_task(broom.sweeper.run(stop))

        async def stands_still() -> bool:
            return "sweeping stands still" in caplog.messages

        await eventually(stands_still)
        await rows.execute("alter table elsewhere rename to states")

        async def told() -> bool:
            return bool(await own_records(rows, anna))

        await eventually(told)
        stop.set()
        await asyncio.wait_for(running, 5)

    assert await room.says(known(anna), a_command()) is not None
    assert await faults_of(database) == []
