"""A recipient that has not acted in time is told of, once for each deadline (R34)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from consent_service.domain.catalogue import PurposeEntry
from consent_service.domain.changes import late_notice_id
from consent_service.domain.propagation import AckOutcome, Word
from consent_service.domain.purposes import Change, Recipient
from consent_service.domain.values import Basis
from consent_service.usecases.propagation import Acknowledgements
from consent_service.usecases.submissions import Caller, CommandInput
from tests.builders import DAY_ZERO, NOTICES
from tests.databases import TestDatabase
from tests.usecases.recording import Room, a_command, known, someone
from tests.usecases.sweepers import Broom, a_broom, notices, staged

QUARTER = timedelta(minutes=15)
PURPOSE = PurposeEntry(
    slug="nyhetsbrev",
    change=Change.MATERIAL,
    legal_bases=(Basis.CONSENT,),
    notices=NOTICES,
    renew_after="P10D",
    recipients=(
        Recipient(slug="brevo", name="Brevo", role="processor", deadline="PT15M"),
        Recipient(slug="crm", name="CRM", role="processor"),
    ),
)


@pytest.fixture
async def room(room: Room) -> Room:
    """Whose purpose has recipients."""
    for controller in ("ansettr", "coness"):
        await room.catalogue.publish(Caller(controller, "test"), "nyhetsbrev", PURPOSE)
    return room


@pytest.fixture
async def broom(database: TestDatabase, room: Room) -> AsyncIterator[Broom]:
    async with a_broom(database, room.clock, notice="P1D") as broom:
        yield broom


async def acknowledge(room: Room, record_id: UUID, outcome: str, **fields: Any) -> int:
    """Brevo's word, said now."""
    word = Word(
        controller="ansettr",
        recipient="brevo",
        record_id=record_id,
        outcome=AckOutcome(outcome),
        at=room.clock(),
        **fields,
    )
    return await Acknowledgements(room.database, room.catalogue, now=room.clock).take([word])


async def late(rows: asyncpg.Connection) -> list[tuple[str, UUID]]:
    """(recipient, record) of each notice, in their order."""
    told = [json.loads(one["content"]) for one in await notices(rows, "recipient_late")]
    return [(one["recipient"], UUID(one["record_id"])) for one in told]


async def test_R34_a_deadline_that_was_missed_is_told_once(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    given = (await room.says(someone("anna"), grant())).results[0]
    anna = await rows.fetchval("select subject_id from records")
    room.clock.forward(minutes=15, microseconds=-1)
    await broom.sweeps()
    in_time = await late(rows)
    room.clock.forward(microseconds=1)
    await broom.sweeps()
    first = await late(rows)
    room.clock.forward(hours=1)
    await broom.looks_back()
    await broom.looks_back()

    assert in_time == []
    assert first == [("brevo", given.record_id)]
    assert await late(rows) == [("brevo", given.record_id), ("crm", given.record_id)]
    assert broom.swept("recipient_late") == 2
    notice, _ = await notices(rows, "recipient_late")
    assert notice["notice_id"] == late_notice_id(given.record_id, "brevo", DAY_ZERO + QUARTER)
    assert (notice["subject_id"], notice["purpose"]) == (anna, "nyhetsbrev")
    assert notice["noticed_at"] == DAY_ZERO + QUARTER
    content = json.loads(notice["content"])
    assert content["owed_since"] == "2026-01-01T00:00:00Z"
    assert content["due_at"] == "2026-01-01T00:15:00Z"
    assert len(await staged(rows, "notice")) == 1 + 2, "the identifier's, and these"
    assert broom.woken == 2


async def test_R34_who_has_acted_is_not_late(room: Room, broom: Broom, rows: asyncpg.Connection) -> None:
    given = (await room.says(someone("anna"), grant())).results[0]
    assert await acknowledge(room, given.record_id, "started") == 1
    room.clock.forward(days=2)
    await broom.sweeps()

    assert await late(rows) == [("crm", given.record_id)]


async def test_R34_who_failed_is_late_all_the_same(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    given = (await room.says(someone("anna"), grant())).results[0]
    assert await acknowledge(room, given.record_id, "failed") == 0
    room.clock.forward(minutes=20)
    await broom.sweeps()

    assert await late(rows) == [("brevo", given.record_id)]


@pytest.mark.parametrize("promised_after", [timedelta(minutes=5), timedelta(minutes=25)])
async def test_R34_a_promise_sets_another_deadline(
    room: Room, broom: Broom, rows: asyncpg.Connection, promised_after: timedelta
) -> None:
    given = (await room.says(someone("anna"), grant())).results[0]
    missed = promised_after > QUARTER
    room.clock.moment += promised_after
    await broom.sweeps()
    await acknowledge(room, given.record_id, "accepted", due_at=DAY_ZERO + timedelta(minutes=40))
    room.clock.moment = DAY_ZERO + timedelta(minutes=39)
    await broom.looks_back()
    before = await late(rows)
    room.clock.moment = DAY_ZERO + timedelta(minutes=41)
    await broom.looks_back()

    assert before == [("brevo", given.record_id)] * missed
    assert await late(rows) == [("brevo", given.record_id)] * (missed + 1)


async def test_R34_several_sweepers_tell_it_once(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    for number in range(30):
        await room.says(someone(f"person-{number}"), grant())
    room.clock.forward(days=1)
    async with a_broom(database, room.clock) as one, a_broom(database, room.clock, holder="two") as two:
        await asyncio.gather(one.sweeps(), two.sweeps())
        told = one.swept("recipient_late") + two.swept("recipient_late")

    assert told == len(await late(rows)) == len(set(await late(rows))) == 60


async def test_lateness_comes_in_pages_at_the_sweepers_pace(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    for number in range(6):
        await room.says(someone(f"person-{number}"), grant())
    room.clock.forward(days=1)
    async with a_broom(database, room.clock, rows_per_s=4) as broom:
        await broom.sweeps()
        took = broom.ticks()

    assert len(await late(rows)) == 12
    assert 1.5 <= took <= 5.0


async def test_R34_an_end_that_the_service_tells_is_owed_as_well(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    """R17: what has ended by itself flips the permission like a withdrawal."""
    anna = (await room.says(someone("anna"), grant())).subject_id
    room.clock.forward(days=11)
    await broom.sweeps()
    owed = await rows.fetch(
        "select sequence, recipient, allowed, owed_since from duties where subject_id = $1 order by 1, 2",
        anna,
    )

    assert [tuple(one)[:3] for one in owed] == [
        (1, "brevo", True),
        (1, "crm", True),
        (2, "brevo", False),
        (2, "crm", False),
    ]
    assert owed[2]["owed_since"] == room.clock.moment


async def test_R34_how_far_behind_a_recipient_is_shows_as_a_metric(room: Room, broom: Broom) -> None:
    given = (await room.says(someone("anna"), grant())).results[0]
    room.clock.forward(minutes=10)
    await room.says(someone("berit"), grant())
    await acknowledge(room, given.record_id, "started")
    room.clock.forward(minutes=2)
    await broom.sweeps()

    def oldest(controller: str, recipient: str) -> float | None:
        labels = {"controller": controller, "recipient": recipient}
        return broom.metrics.registry.get_sample_value("consent_propagation_oldest_pending_seconds", labels)

    assert (oldest("ansettr", "brevo"), oldest("ansettr", "crm")) == (120.0, 720.0)
    assert oldest("coness", "brevo") == 0.0


async def test_R34_a_batch_of_commands_owes_what_each_of_them_flips(
    room: Room, rows: asyncpg.Connection
) -> None:
    anna = (await room.says(someone("anna"), grant())).subject_id
    await room.says(known(anna), a_command("withdraw"), grant(), a_command("withdraw"))
    owed = await rows.fetch("select sequence, allowed from duties where recipient = 'crm' order by 1")

    assert [tuple(one) for one in owed] == [(1, True), (2, False), (3, True), (4, False)]
    assert await rows.fetchval("select granted_versions from states") == []


def grant() -> CommandInput:
    return a_command("grant", version=2)
