"""Several processes on one database: idempotency keys, identifiers and locks that meet (R19, R23, R24, CORE 17)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from consent_service.domain.errors import (
    EvidenceRequired,
    IdempotencyKeyReuse,
    NotFound,
    VersionOvertaken,
)
from consent_service.domain.records import Preferences
from consent_service.domain.values import Channel
from consent_service.usecases.permissions import Permissions
from consent_service.usecases.submissions import Answer, CommandInput
from tests.databases import TestDatabase
from tests.events.streams import eventually
from tests.usecases.recording import (
    KEYRING,
    Room,
    a_command,
    faults_of,
    kinds,
    known,
    open_room,
    refusal_of,
    someone,
    together,
)

WAITING = "select exists (select from pg_locks where not granted)"
TWO_PROCESSES = ("one process", "two processes")


@pytest.fixture
async def rooms(database: TestDatabase) -> AsyncIterator[tuple[Room, Room]]:
    """Two processes with the same clock."""
    async with open_room(database) as first, open_room(database, (), first.clock) as second:
        yield first, second


async def count(rows: asyncpg.Connection, table: str) -> int:
    counted: int = await rows.fetchval(f"select count(*) from {table}")
    return counted


@pytest.mark.parametrize("processes", [1, 2], ids=TWO_PROCESSES)
async def test_R24_twins_are_one_record_and_replays(
    rooms: tuple[Room, Room], rows: asyncpg.Connection, processes: int
) -> None:
    """The same request at the same moment, eight times, for ten new persons each with a key of its own."""
    answers = await asyncio.gather(
        *(
            rooms[twin % processes].says(someone(str(person)), a_command(), key=f"key-{person}")
            for twin in range(8)
            for person in range(10)
        )
    )

    assert (
        await count(rows, "records")
        == await count(rows, "subjects")
        == await count(rows, "idempotency")
        == 10
    )
    for person in range(10):
        twins = answers[person::10]
        assert [twin.replayed for twin in twins].count(False) == 1
        assert len({(twin.subject_id, twin.created, twin.appended) for twin in twins}) == 1
        assert len({(twin.results[0].record_id, twin.results[0].permission) for twin in twins}) == 1


@pytest.mark.parametrize("processes", [1, 2], ids=TWO_PROCESSES)
async def test_R24_a_key_is_for_one_request(
    rooms: tuple[Room, Room], rows: asyncpg.Connection, processes: int
) -> None:
    """Two requests with one key, about two persons who share no lock: one wins, and the other is refused."""
    persons = [known((await rooms[0].says(someone(name))).subject_id) for name in ("anna", "bjarne")]
    for number in range(5):
        outcomes = await together(
            *(
                rooms[place % processes].says(
                    who, a_command("prefer", **preferring(number)), key=f"key-{number}", body=f"body {place}"
                )
                for place, who in enumerate(persons)
            )
        )

        assert sorted(kinds(outcomes), key=str) == [IdempotencyKeyReuse, Answer]
        for room in rooms:
            with pytest.raises(IdempotencyKeyReuse):
                await room.says(persons[0], a_command(), key=f"key-{number}", body="another body")
    assert await count(rows, "idempotency") == 5


async def test_R24_a_decided_refusal_is_answered_again_even_if_it_would_now_turn_out_otherwise(
    rooms: tuple[Room, Room], rows: asyncpg.Connection
) -> None:
    import_without_evidence = a_command(channel=Channel.IMPORT)
    with pytest.raises(EvidenceRequired) as first:
        await rooms[0].says(someone("anna"), import_without_evidence, key="key")
    again = await refusal_of(rooms[1].says(someone("anna"), a_command(), key="key"))

    assert (again.slug, again.title, again.detail, again.pointer) == (
        EvidenceRequired.slug,
        EvidenceRequired.title,
        first.value.detail,
        first.value.pointer,
    )
    assert again.replayed
    assert await count(rows, "subjects") == 0


async def test_R24_an_undecided_refusal_is_not_kept(
    rooms: tuple[Room, Room], rows: asyncpg.Connection
) -> None:
    with pytest.raises(NotFound):
        await rooms[0].says(someone("anna"), a_command(purpose="unknown"), key="key")

    assert await count(rows, "idempotency") == 0
    assert not (await rooms[1].says(someone("anna"), a_command(), key="key")).replayed


async def test_R24_a_key_is_forgotten_after_its_time_and_free_for_another_request(
    rooms: tuple[Room, Room], rows: asyncpg.Connection
) -> None:
    first = await rooms[0].says(someone("anna"), a_command(), key="key")
    rooms[0].clock.forward(hours=47)
    assert (await rooms[1].says(someone("anna"), a_command(), key="key")).replayed

    rooms[0].clock.forward(hours=2)
    fresh = await rooms[1].says(someone("anna"), a_command("withdraw"), key="key", body="another")

    assert (fresh.replayed, fresh.subject_id) == (False, first.subject_id)
    assert await count(rows, "idempotency") == 1


async def test_R24_two_controllers_have_keys_of_their_own(database: TestDatabase) -> None:
    async with open_room(database, ("ansettr", "coness")) as room:
        answers = [
            await room.says(someone("anna"), a_command(), controller=controller, key="key", body=controller)
            for controller in ("ansettr", "coness")
        ]

    assert [answer.replayed for answer in answers] == [False, False]


@pytest.mark.parametrize("processes", [1, 2], ids=TWO_PROCESSES)
async def test_R19_thirty_two_makers_of_one_identifier_make_one_subject(
    rooms: tuple[Room, Room], rows: asyncpg.Connection, database: TestDatabase, processes: int
) -> None:
    answers = await asyncio.gather(
        *(
            rooms[number % processes].says(
                someone("anna"), *[a_command(source=f"source-{number}")] * (number % 3 > 0)
            )
            for number in range(32)
        )
    )

    assert len({answer.subject_id for answer in answers}) == 1
    assert [answer.created for answer in answers].count(True) == 1
    for table in ("subjects", "subject_keys", "identifiers", "identifier_hashes", "audit"):
        linked = "where action = 'identifier.linked'" if table == "audit" else ""
        assert await rows.fetchval(f"select count(*) from {table} {linked}") == 1, table
    assert await faults_of(database) == []


async def test_R23_batches_that_lock_the_same_persons_crosswise_lose_nothing(
    rooms: tuple[Room, Room], rows: asyncpg.Connection, database: TestDatabase
) -> None:
    """Each process sends the same eight persons' commands in the opposite order, round after round."""
    persons = [(await rooms[0].says(someone(str(number)))).subject_id for number in range(8)]
    appended = 0
    for number in range(12):
        command = "grant" if number % 2 else "withdraw"
        answers = await asyncio.gather(
            *(rooms[0].says(known(one), a_command(command)) for one in persons),
            *(
                rooms[1].says(known(one), a_command("prefer", **preferring(number)))
                for one in reversed(persons)
            ),
            *(rooms[1].says(known(one), a_command("object", "rekruttering")) for one in persons),
        )
        appended += sum(answer.appended for answer in answers)

    assert await count(rows, "records") == appended == 8 * (12 + 12 + 1)
    assert await faults_of(database) == []


def preferring(number: int) -> dict[str, Any]:
    return {"preferences": Preferences(topics=("jobs",) if number % 2 else ("news",))}


async def test_R14_two_processes_with_different_clocks_number_one_persons_records_in_time(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    """The second process's clock is an hour behind."""
    async with open_room(database) as first, open_room(database, ()) as second:
        second.clock.forward(hours=-1)
        anna = known((await first.says(someone("anna"))).subject_id)
        await asyncio.gather(
            *(
                (first, second)[number % 2].says(anna, a_command(name, "rekruttering"))
                for number, name in enumerate(("object", "lift-objection") * 10)
            )
        )

    sequences = [row[0] for row in await rows.fetch("select sequence from records order by recorded_at")]
    assert sequences == list(range(1, len(sequences) + 1))
    assert await faults_of(database) == []


async def test_a_version_published_by_one_process_is_known_to_the_other_at_once(
    rooms: tuple[Room, Room],
) -> None:
    """R4: a copy of the catalogue in memory is never older than what a command is decided on."""
    await rooms[0].says(someone("anna"), a_command())
    await rooms[1].changes_materially("ansettr")
    rooms[0].clock.forward(seconds=1)

    with pytest.raises(VersionOvertaken):
        await rooms[0].says(someone("bjarne"), a_command())


async def test_a_version_published_while_a_command_is_decided_does_not_look_like_tampering(
    database: TestDatabase,
) -> None:
    """R15, R21: the two processes' clocks differ, so that a version takes effect before what was decided without it."""
    async with open_room(database) as ahead, open_room(database, ()) as behind:
        ahead.clock.forward(seconds=2)
        anna = known((await ahead.says(someone("anna"), a_command())).subject_id)
        ahead.clock.forward(seconds=2)
        renewed = await ahead.says(anna, a_command(**preferring(1)))
        await behind.changes_materially("ansettr")

    assert renewed.results[0].permission.status == "renewed"
    assert await faults_of(database) == []


@pytest.mark.parametrize("command", [a_command(version=1), a_command("withdraw")], ids=["grant", "withdraw"])
async def test_R16_what_waited_for_a_lock_is_decided_under_the_versions_that_stand_then(
    rooms: tuple[Room, Room], rows: asyncpg.Connection, command: CommandInput
) -> None:
    """A batch waits for one person; meanwhile another process publishes, and records a grant of the other person."""
    here, there = rooms
    names = [await here.says(someone(name), a_command()) for name in ("anna", "siri")]
    held, free = sorted(answer.subject_id for answer in names)
    here.clock.forward(days=2)
    transaction = rows.transaction()
    await transaction.start()
    await rows.execute("select 1 from subjects where subject_id = $1 for update", held)
    waiting = asyncio.gather(
        here.says(known(held), a_command("withdraw")), here.says(known(free), command), return_exceptions=True
    )
    await eventually(lambda: is_waiting(rows))

    await there.changes_materially("ansettr")
    here.clock.forward(minutes=1)
    newer = await there.says(known(free), a_command(version=2))
    here.clock.forward(minutes=1)
    await transaction.rollback()
    answer: Any = (await waiting)[1]

    assert newer.results[0].permission.allowed
    if command.command == "grant":
        assert isinstance(answer, VersionOvertaken)
    else:
        assert (answer.results[0].record.version, answer.results[0].record.governing_version) == (2, 2)


async def is_waiting(rows: asyncpg.Connection) -> bool:
    """Whether somebody waits for a lock of this database."""
    found: bool = await rows.fetchval(WAITING)
    return found


async def test_a_question_after_an_answer_sees_it_from_any_process(rooms: tuple[Room, Room]) -> None:
    """While questions keep coming, so that the other process asks within a transaction that began before."""
    here, there = rooms
    permissions = Permissions(there.database, there.catalogue, KEYRING, readers=1, now=there.clock)
    anna = (await here.says(someone("anna"), a_command())).subject_id

    async def keep_asking() -> None:
        while True:
            await permissions.one("ansettr", anna, "nyhetsbrev")

    asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
    for turn in range(20):
        here.clock.forward(minutes=1)
        await here.says(known(anna), a_command("withdraw" if turn % 2 == 0 else "grant"))
        answer = await permissions.one("ansettr", anna, "nyhetsbrev")
        assert answer.allowed == (turn % 2 == 1), turn
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
