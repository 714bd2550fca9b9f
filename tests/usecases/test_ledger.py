"""The write path without HTTP: what arrives together commits together, and nobody suffers for another (R14, R23)."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from consent_service.domain.errors import (
    EvidenceRequired,
    NotFound,
    NotObjectable,
    Overloaded,
    SeveralRefusals,
    Unavailable,
    UnknownController,
)
from consent_service.domain.values import Channel
from consent_service.usecases.ledger import TRIES_MAX
from consent_service.usecases.submissions import Answer
from tests.builders import an_id
from tests.databases import TestDatabase
from tests.usecases.recording import (
    Room,
    a_command,
    faults_of,
    kinds,
    known,
    open_room,
    sequence_of,
    someone,
    together,
)

TRANSACTIONS = "select count(distinct xmin::text) from records"
NO_EVIDENCE = a_command(channel=Channel.IMPORT)


async def test_R23_what_arrives_together_commits_together(room: Room, rows: asyncpg.Connection) -> None:
    outcomes = await together(*(room.says(someone(str(number)), a_command()) for number in range(20)))

    assert kinds(outcomes) == [Answer] * 20
    assert await rows.fetchval("select count(*) from records") == 20
    assert await rows.fetchval(TRANSACTIONS) == 1
    assert room.woken == 1


async def test_R23_a_refusal_fails_alone(room: Room, rows: asyncpg.Connection) -> None:
    outcomes = await together(
        room.says(someone("anna"), a_command()),
        room.says(someone("bjarne"), NO_EVIDENCE),
        room.says(known(an_id(1)), a_command("withdraw")),
        room.says(someone("carla"), a_command("object")),
        room.says(someone("anna"), a_command("withdraw")),
    )

    assert kinds(outcomes) == [Answer, EvidenceRequired, NotFound, NotObjectable, Answer]
    assert await rows.fetchval(TRANSACTIONS) == 1
    assert [row[0] for row in await rows.fetch("select command from records order by sequence")] == [
        "grant",
        "withdraw",
    ]
    assert await rows.fetchval("select count(*) from subjects") == 1, "a refusal makes no subject"


async def test_R23_refusals_leave_no_gap_in_the_sequence(room: Room, database: TestDatabase) -> None:
    anna = known((await room.says(someone("anna"))).subject_id)
    outcomes = await together(
        *(room.says(anna, a_command("withdraw") if number % 2 else NO_EVIDENCE) for number in range(4)),
        room.says(anna, a_command("grant", "rekruttering")),
        room.says(anna, a_command()),
    )

    assert [sequence_of(one) for one in outcomes if isinstance(one, Answer) and one.appended] == [1, 2]
    assert await faults_of(database) == []


async def test_CORE_10_commands_of_one_submission_count_all_or_not_at_all(
    room: Room, rows: asyncpg.Connection
) -> None:
    refused, recorded = await together(
        room.says(
            someone("anna"),
            a_command(pointer="/decisions/0"),
            a_command("object", pointer="/decisions/1"),
            a_command("prefer", "rekruttering", pointer="/decisions/2"),
        ),
        room.says(someone("bjarne"), a_command(pointer="/decisions/0")),
    )

    assert isinstance(refused, SeveralRefusals)
    assert [one.pointer and one.pointer[:12] for one in refused.refusals] == ["/decisions/1", "/decisions/2"]
    assert isinstance(recorded, Answer)
    assert await rows.fetchval("select count(*) from records") == 1


async def test_R23_a_submission_whose_sequence_is_taken_never_takes_another_with_it(
    room: Room, rows: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody wrote a first record of Anna's past the service, so that hers conflicts however often it is tried."""
    anna, bjarne = [(await room.says(someone(name))).subject_id for name in ("anna", "bjarne")]
    await room.says(known(bjarne), a_command())
    await rows.execute(
        "insert into records select (jsonb_populate_record(records, jsonb_build_object('subject_id', $1::uuid))).* "
        "from records",
        anna,
    )

    outcomes = await together(
        room.says(someone("carla"), a_command()),
        room.says(known(anna), a_command()),
        room.says(known(bjarne), a_command("withdraw")),
    )

    assert kinds(outcomes) == [Answer, Unavailable, Answer]
    assert [vars(record)["attempt"] for record in caplog.records] == [TRIES_MAX]
    assert await rows.fetchval("select last_sequence from subjects where subject_id = $1", anna) == 0
    assert await rows.fetchval("select last_sequence from subjects where subject_id = $1", bjarne) == 2


async def test_R23_a_submission_that_the_database_rejects_never_takes_another_with_it(
    room: Room, rows: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await rows.execute(
        "alter table records add constraint poison check (source is distinct from 'poison') not valid"
    )

    outcomes = await together(
        *(
            room.says(someone(str(number)), a_command(source="poison" if number == 2 else None))
            for number in range(5)
        )
    )

    assert kinds(outcomes) == [Answer, Answer, asyncpg.CheckViolationError, Answer, Answer]
    assert await rows.fetchval(TRANSACTIONS) == 4, "one by one"
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert "example.org" not in caplog.text


async def test_an_unknown_controller_never_takes_another_with_it(room: Room) -> None:
    outcomes = await together(
        room.says(someone("anna"), a_command(), controller="nobody"), room.says(someone("anna"), a_command())
    )

    assert kinds(outcomes) == [UnknownController, Answer]


async def test_R22_two_controllers_share_a_batch_and_nothing_else(
    room: Room, rows: asyncpg.Connection
) -> None:
    """The same person with the same purpose, at two firms."""
    ansettr, coness = await together(
        room.says(someone("anna"), a_command(), controller="ansettr"),
        room.says(someone("anna"), a_command(), controller="coness"),
    )
    crossed = await together(room.says(known(ansettr.subject_id), a_command("withdraw"), controller="coness"))

    assert ansettr.subject_id != coness.subject_id
    assert await rows.fetchval(TRANSACTIONS) == 1
    assert kinds(crossed) == [NotFound]
    for answer, controller in ((ansettr, "ansettr"), (coness, "coness")):
        found = await rows.fetch(
            "select controller from records where subject_id = $1 union all "
            "select controller from states where subject_id = $1 union all "
            "select controller from outbox where subject_id = $1 and kind = 'record'",
            answer.subject_id,
        )
        assert [row[0] for row in found] == [controller] * 3


async def test_R14_recorded_at_rises_even_when_the_clock_goes_back(
    room: Room, rows: asyncpg.Connection, database: TestDatabase
) -> None:
    anna = known((await room.says(someone("anna"), a_command())).subject_id)
    for command in ("withdraw", "grant", "withdraw"):
        room.clock.forward(hours=-1)
        await room.says(anna, a_command(command))

    times = [row[0] for row in await rows.fetch("select recorded_at from records order by sequence")]
    assert [(time - times[0]).microseconds for time in times] == [0, 1, 2, 3]
    assert await faults_of(database) == []


async def test_R30_the_outbox_holds_a_persons_records_in_their_order(
    room: Room, rows: asyncpg.Connection
) -> None:
    await rows.execute("delete from outbox")
    anna = known((await room.says(someone("anna"))).subject_id)
    await together(*(room.says(anna, a_command(name)) for name in ("grant", "withdraw", "grant", "withdraw")))

    staged = await rows.fetch("select sequence from outbox where kind = 'record' order by position")
    assert [row[0] for row in staged] == [1, 2, 3, 4]


async def test_the_relay_is_woken_only_where_something_was_recorded_or_linked(room: Room) -> None:
    anna = known((await room.says(someone("anna"))).subject_id)
    assert room.woken == 1
    await room.says(anna, a_command())
    assert room.woken == 2

    standing = await room.says(anna, a_command())
    await together(room.says(anna, NO_EVIDENCE))

    assert not standing.appended
    assert room.woken == 2


async def test_a_full_queue_refuses_what_comes_more_and_empties_again(database: TestDatabase) -> None:
    async with open_room(database, writers=1, queue_rows_max=3) as room:
        pair = (a_command(), a_command("object", "rekruttering"))
        outcomes = await together(*(room.says(someone(str(number)), *pair) for number in range(4)))

        assert kinds(outcomes) == [Answer, Answer, Overloaded, Overloaded]
        assert room.ledger.queued_rows == 0
        assert (await room.says(someone("later"), a_command())).appended


async def test_a_batch_is_bounded(database: TestDatabase, rows: asyncpg.Connection) -> None:
    async with open_room(database, writers=1, batch_rows_max=4) as room:
        await together(*(room.says(someone(str(number)), a_command()) for number in range(10)))

    assert await rows.fetchval(TRANSACTIONS) == 3


@pytest.mark.parametrize("writers", [1, 2])
async def test_what_comes_the_moment_a_writer_ends_is_not_forgotten(
    database: TestDatabase, writers: int
) -> None:
    """Callers that speak again as soon as they are answered, as many as there are writers."""
    async with open_room(database, writers=writers, batch_rows_max=1) as room:

        async def speaks(name: str) -> None:
            for command in ("grant", "withdraw") * 5:
                assert (await room.says(someone(name), a_command(command))).appended

        await asyncio.gather(*(speaks(str(number)) for number in range(writers)))
