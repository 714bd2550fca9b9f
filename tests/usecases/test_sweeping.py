"""What has ended by itself becomes a record, once, in its place in history (R4, R17, CORE 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from consent_service.domain.catalogue import PurposeEntry
from consent_service.domain.purposes import Change
from consent_service.domain.records import Preferences
from consent_service.domain.values import Basis, Command
from consent_service.usecases.closings import closing
from consent_service.usecases.records import Records
from consent_service.usecases.submissions import Caller
from tests.builders import DAY_ZERO, MOMENT, NOTICES, OFFER, day
from tests.databases import TestDatabase
from tests.usecases.recording import (
    KEYRING,
    Room,
    a_command,
    faults_of,
    known,
    someone,
)
from tests.usecases.sweepers import Broom, a_broom, own_records, staged

THREE_YEARS = DAY_ZERO.replace(year=DAY_ZERO.year + 3)
PREFERENCES = Preferences(topics=("jobs",))


@pytest.fixture
async def broom(database: TestDatabase, room: Room) -> AsyncIterator[Broom]:
    async with a_broom(database, room.clock) as broom:
        yield broom


async def test_R17_a_consent_expires_at_its_moment_and_is_told_once(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    anna = (await room.says(someone("anna"), a_command())).subject_id
    room.clock.moment = THREE_YEARS - MOMENT
    await broom.sweeps()
    before = await own_records(rows)
    room.clock.moment = THREE_YEARS
    await broom.sweeps()
    room.clock.forward(days=1)
    await broom.looks_back()

    assert before == []
    (record,) = await own_records(rows)
    names = ("subject_id", "sequence", "command", "status", "version", "allowed", "reason", "cause", "until")
    assert tuple(record[name] for name in names) == (
        *(anna, 2, "expire", "expired", 1),
        *(False, "expired", None, None),
    )
    assert record["occurred_at"] == record["effective_at"] == THREE_YEARS
    assert record["recorded_at"] == THREE_YEARS
    assert [row["sequence"] for row in await staged(rows, "record") if row["subject_id"] == anna] == [1, 2]
    assert (broom.swept("expire"), broom.woken > 0) == (1, True)
    assert await faults_of(database) == []


async def test_the_service_itself_is_the_actor(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await room.says(someone("anna"), a_command())
    room.clock.moment = THREE_YEARS
    await broom.sweeps()

    (record,) = await own_records(rows)
    told = await Records(room.database, KEYRING).one(Caller("ansettr", "test"), record["record_id"])
    assert (told.actor, told.evidence) == ("service", None)


async def test_R17_a_requested_consent_that_is_not_confirmed_lapses(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await room.says(someone("anna"), a_command("request"))
    room.clock.forward(days=7)
    await broom.sweeps()

    (record,) = await own_records(rows)
    assert (record["command"], record["occurred_at"]) == ("expire", day(7))
    assert await faults_of(database) == []


async def test_R17_nothing_is_written_where_something_newer_stands(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    """Renewed in time, withdrawn in time; and whoever speaks between the look and the lock."""
    renewed = (await room.says(someone("renewed"), a_command())).subject_id
    withdrawn = (await room.says(someone("withdrawn"), a_command())).subject_id
    returned = (await room.says(someone("returned"), a_command())).subject_id
    room.clock.forward(days=10)
    await room.says(known(renewed), a_command())
    await room.says(known(withdrawn), a_command("withdraw"))
    room.clock.moment = THREE_YEARS + timedelta(hours=1)
    await room.says(known(returned), a_command())
    closed = await broom.sweeper._close(
        [closing("ansettr", one, "nyhetsbrev", Command.EXPIRE, THREE_YEARS) for one in (renewed, returned)]
    )
    await broom.sweeps()

    assert (closed.told.total(), closed.left) == (0, 0)
    assert await own_records(rows) == []


async def test_preferences_said_after_the_end_stay_and_the_end_keeps_its_place(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    """R15: the end is a late fact then, and the history is folded."""
    anna = (await room.says(someone("anna"), a_command())).subject_id
    room.clock.moment = THREE_YEARS + timedelta(days=1)
    preferring = a_command("prefer", preferences=PREFERENCES)
    await room.says(known(anna), preferring)
    await broom.sweeps()

    (record,) = await own_records(rows)
    assert (record["effective_at"], record["status"], record["superseded"]) == (THREE_YEARS, "expired", True)
    assert record["standing_preferences"] == '{"topics": ["jobs"]}'
    assert await faults_of(database) == []


async def test_R4_a_material_change_ends_what_was_agreed_to_before(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    said = {
        command: (await room.says(someone(command), a_command(command))).subject_id
        for command in ("grant", "request", "refuse", "defer", "withdraw")
    }
    room.clock.forward(days=5)
    await room.changes_materially("ansettr")
    room.clock.forward(seconds=30)
    await broom.sweeps()

    told = await own_records(rows)
    assert {record["subject_id"] for record in told} == {said["grant"], said["request"]}
    names = ("command", "cause", "status", "version", "governing_version", "occurred_at", "effective_at")
    assert {tuple(record[name] for name in names) for record in told} == {
        ("invalidate", "purpose_changed", "invalidated", 1, 2, day(5), day(5))
    }
    assert broom.swept("invalidate") == 2
    assert await faults_of(database) == []


async def test_R4_a_change_that_waits_for_its_time_ends_nothing_before(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await room.says(someone("anna"), a_command())
    later = PurposeEntry(
        slug="nyhetsbrev",
        legal_bases=(Basis.CONSENT,),
        renew_after="P1Y",
        notices=NOTICES,
        preferences=OFFER,
        change=Change.MATERIAL,
        effective_from=day(3),
    )
    await room.catalogue.publish(Caller("ansettr", "test"), "nyhetsbrev", later)
    room.clock.moment = day(3) - MOMENT
    await broom.sweeps()
    before = await own_records(rows)
    room.clock.moment = day(3)
    await broom.sweeps()

    assert before == []
    assert [record["occurred_at"] for record in await own_records(rows)] == [day(3)]


async def test_R4_what_was_overtaken_twice_ended_with_the_first_change(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await room.says(someone("anna"), a_command())
    room.clock.forward(days=5)
    await room.changes_materially("ansettr")
    room.clock.forward(days=5)
    await room.changes_materially("ansettr")
    await broom.sweeps()

    assert [(record["governing_version"], record["occurred_at"]) for record in await own_records(rows)] == [
        (3, day(5))
    ]
    assert await faults_of(database) == []


async def test_R4_what_had_expired_before_the_change_expires(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await room.says(someone("anna"), a_command())
    room.clock.moment = THREE_YEARS + timedelta(days=1)
    await room.changes_materially("ansettr")
    await broom.sweeps()

    assert [record["command"] for record in await own_records(rows)] == ["expire"]


async def test_a_retired_purpose_goes_on_expiring(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    await room.says(someone("anna"), a_command())
    retired = PurposeEntry(
        slug="nyhetsbrev",
        legal_bases=(Basis.CONSENT,),
        renew_after="P3Y",
        notices=NOTICES,
        preferences=OFFER,
        retired=True,
        change=Change.EDITORIAL,
    )
    await room.catalogue.publish(Caller("ansettr", "test"), "nyhetsbrev", retired)
    await broom.sweeps()
    before = await own_records(rows)
    room.clock.moment = THREE_YEARS
    await broom.sweeps()

    assert before == []
    assert [record["command"] for record in await own_records(rows)] == ["expire"]
    assert await faults_of(database) == []


async def test_R22_every_controller_is_swept_and_each_record_is_its_own(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    for controller in ("ansettr", "coness"):
        await room.says(someone("anna"), a_command(), controller=controller)
    await room.changes_materially("coness")
    await broom.sweeps()
    changed = [(record["controller"], record["command"]) for record in await own_records(rows)]
    room.clock.moment = THREE_YEARS
    await broom.sweeps()

    assert changed == [("coness", "invalidate")]
    assert [(record["controller"], record["command"]) for record in await own_records(rows)] == [
        ("ansettr", "expire"),
        ("coness", "invalidate"),
    ]
    assert await faults_of(database) == []


async def test_R17_two_sweepers_at_once_tell_each_end_once(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    people = [room.says(someone(f"p{number}"), a_command()) for number in range(60)]
    await asyncio.gather(*people)
    room.clock.moment = THREE_YEARS
    async with a_broom(database, room.clock, holder="two") as other:
        for _ in range(5):
            await asyncio.gather(broom.sweeps(), other.sweeps())
            broom.ticks.at += 1000
            other.ticks.at += 1000

    told = await own_records(rows)
    assert len(told) == len({record["subject_id"] for record in told}) == 60
    assert broom.swept("expire") + other.swept("expire") == 60
    assert await faults_of(database) == []


async def test_R4_several_changes_are_swept_in_turn(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    """So none waits for the end of another."""
    for controller in ("ansettr", "coness"):
        await asyncio.gather(
            *(room.says(someone(f"p{n}"), a_command(), controller=controller) for n in range(20))
        )
        await room.changes_materially(controller)
    async with a_broom(database, room.clock, rows_per_s=5) as broom:
        for _ in range(4):
            await broom.sweeper.round()
        told = await own_records(rows)
        await broom.sweeps()

    assert [record["controller"] for record in told] == [*["ansettr"] * 10, *["coness"] * 10]
    assert len(await own_records(rows)) == 40
    assert await faults_of(database) == []
