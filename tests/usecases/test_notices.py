"""What is told beside the records: a consent that will soon end, an identifier linked or removed (R17, R19, CORE 13)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from consent_service.domain.catalogue import PurposeEntry
from consent_service.domain.changes import renewal_notice_id
from consent_service.domain.identifiers import Identifier
from consent_service.domain.values import Basis
from consent_service.usecases.subjects import Subjects
from consent_service.usecases.submissions import Caller, Submission
from tests.builders import DAY_ZERO, MOMENT, NOTICES, an_id, day
from tests.databases import TestDatabase
from tests.usecases.recording import KEYRING, Room, a_command, known, someone, together
from tests.usecases.sweepers import Broom, a_broom, notices, staged

THREE_YEARS = DAY_ZERO.replace(year=DAY_ZERO.year + 3)
MONTH = timedelta(days=30)


@pytest.fixture
async def broom(database: TestDatabase, room: Room) -> AsyncIterator[Broom]:
    async with a_broom(database, room.clock) as broom:
        yield broom


async def test_a_consent_that_ends_within_the_notice_is_told_once(
    database: TestDatabase, room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    anna = (await room.says(someone("anna"), a_command())).subject_id
    room.clock.moment = THREE_YEARS - MONTH - MOMENT
    await broom.sweeps()
    before = await notices(rows, "renewal_due")
    room.clock.moment += MOMENT
    await broom.sweeps()
    room.clock.forward(days=1)
    await broom.looks_back()
    async with a_broom(database, room.clock, holder="two") as other:
        await other.sweeps()

    assert before == []
    (told,) = await notices(rows, "renewal_due")
    content = {"version": 1, "until": THREE_YEARS.isoformat().replace("+00:00", "Z")}
    assert (told["controller"], told["subject_id"], told["purpose"]) == ("ansettr", anna, "nyhetsbrev")
    assert json.loads(told["content"]) == content
    assert told["noticed_at"] == THREE_YEARS - MONTH
    pointers = [row for row in await staged(rows, "notice") if row["purpose"] == "nyhetsbrev"]
    assert [(row["subject_id"], row["sequence"]) for row in pointers] == [(anna, told["number"])]
    shards = await rows.fetch("select shard from subjects where subject_id = $1", anna)
    assert [row["shard"] for row in pointers] == [row["shard"] for row in shards]
    assert broom.swept("renewal_due") == 1


async def test_renewed_it_is_told_again_before_its_new_end(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    anna = (await room.says(someone("anna"), a_command())).subject_id
    room.clock.moment = THREE_YEARS - MONTH
    await broom.sweeps()
    await room.says(known(anna), a_command())
    await broom.looks_back()
    renewed = len(await notices(rows, "renewal_due"))
    room.clock.moment = room.clock.moment.replace(year=room.clock.moment.year + 3) - timedelta(days=1)
    await broom.looks_back()

    assert renewed == 1
    assert len(await notices(rows, "renewal_due")) == 2


async def test_nobody_is_told_of_what_gives_no_permission(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    """Requested, withdrawn, overtaken, restricted: there is nothing to renew."""
    requested = await room.says(someone("requested"), a_command("request"))
    withdrawn = await room.says(someone("withdrawn"), a_command())
    restricted = await room.says(someone("restricted"), a_command())
    overtaken = await room.says(someone("overtaken"), a_command(), controller="coness")
    await rows.execute(
        "update subjects set restricted_at = now() where subject_id = $1", restricted.subject_id
    )
    room.clock.moment = THREE_YEARS - timedelta(days=10)
    await room.says(known(withdrawn.subject_id), a_command("withdraw"))
    # Both before the sweeper comes, who closes what was overtaken only after he has looked who is to be told.
    await room.changes_materially("coness")
    await broom.sweeper._renewals.page(await broom.sweeper._read_catalogues(), 100)
    await broom.sweeps()

    assert {requested.created, overtaken.created} == {True}
    assert await notices(rows, "renewal_due") == []


async def test_what_is_given_for_less_than_the_notice_is_told_when_the_sweeper_looks_back(
    room: Room, broom: Broom, rows: asyncpg.Connection
) -> None:
    short = PurposeEntry(slug="kort", legal_bases=(Basis.CONSENT,), renew_after="P7D", notices=NOTICES)
    await room.says(someone("anna"), a_command())
    room.clock.moment = THREE_YEARS - MONTH
    await broom.sweeps()
    await room.catalogue.publish(Caller("ansettr", "test"), "kort", short)
    await room.says(someone("bo"), a_command(purpose="kort"))
    await broom.looks_back()

    assert [notice["purpose"] for notice in await notices(rows, "renewal_due")] == ["nyhetsbrev", "kort"]


async def test_no_notice_is_given_where_none_is_wanted(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    await room.says(someone("anna"), a_command())
    room.clock.moment = THREE_YEARS - MOMENT
    async with a_broom(database, room.clock, notice="PT0S") as broom:
        await broom.sweeps()

    assert await notices(rows, "renewal_due") == []


async def test_CORE_13_identifiers_linked_and_removed_are_told_without_their_values(
    database: TestDatabase, room: Room, rows: asyncpg.Connection
) -> None:
    anna = await room.says(someone("anna"), a_command())
    visitor = Identifier("visitor", "v" * 22)
    linking = Submission(Caller("ansettr", "crm"), known(anna.subject_id), link=(visitor,))
    linked = (await room.ledger.submit(linking)).linked[0]
    again = await room.ledger.submit(linking)
    woken = 0

    def wake() -> None:
        nonlocal woken
        woken += 1

    subjects = Subjects(room.database, room.catalogue, KEYRING, wake=wake, now=room.clock)
    await subjects.unlink(Caller("ansettr", "crm"), anna.subject_id, linked.identifier_id)

    told = [*await notices(rows, "identifier_linked"), *await notices(rows, "identifier_removed")]
    assert [(one["kind"], json.loads(one["content"])["type"]) for one in told] == [
        ("identifier_linked", "email"),
        ("identifier_linked", "visitor"),
        ("identifier_removed", "visitor"),
    ]
    ids = [json.loads(one["content"])["identifier_id"] for one in told]
    assert ids[1] == ids[2] == str(linked.identifier_id)
    assert {one["subject_id"] for one in told} == {anna.subject_id}
    assert [row["sequence"] for row in await staged(rows, "notice")] == [one["number"] for one in told]
    assert (again.linked[0].identifier_id, woken) == (linked.identifier_id, 1)
    everything = str(await rows.fetch("select row_to_json(n)::text from stream_notices n"))
    assert "anna" not in everything
    assert visitor.value not in everything


async def test_a_refused_submission_tells_of_no_identifier(room: Room, rows: asyncpg.Connection) -> None:
    outcomes = await together(
        room.says(someone("anna"), a_command("confirm")), room.says(someone("bo"), a_command())
    )

    assert [isinstance(outcome, Exception) for outcome in outcomes] == [True, False]
    assert len(await notices(rows, "identifier_linked")) == 1


def test_the_notice_of_one_end_has_one_id() -> None:
    """Agreed for ever: another release that computed another id would tell everybody again."""
    told = renewal_notice_id("ansettr", an_id(1), "nyhetsbrev", day(0.5))

    assert str(told) == "cbdda4b2-2540-5e0e-b252-2dba0ecccc35"
