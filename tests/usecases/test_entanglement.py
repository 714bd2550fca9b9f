"""What one submission does to another that shares a batch, a person, a pool or a key with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from consent_service.domain.errors import NotFound, Unavailable
from consent_service.domain.identifiers import Identifier
from consent_service.domain.records import Permission
from consent_service.domain.values import Channel
from consent_service.storage.database import CommitUnknown, open_database
from consent_service.storage.keyring import Keyring
from consent_service.usecases import ledger as ledger_module
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.permissions import TRANSACTION_BATCHES_MAX, Permissions, Query
from consent_service.usecases.subjects import Subjects
from consent_service.usecases.submissions import Caller
from tests.builders import day
from tests.databases import TestDatabase
from tests.usecases.recording import (
    KEYRING,
    Clock,
    Room,
    a_command,
    a_submission,
    faults_of,
    known,
    open_room,
    someone,
)

OLD, NEW = ("lookup-1", b"l" * 32), ("lookup-2", b"n" * 32)
PHONE = Identifier("phone", "+4722123456")
CUT = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename = 'consent_service'"


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("grant", {"channel": Channel.IMPORT, "occurred_at": day(-30), "evidence": b'{"list":"old"}'}),
        ("defer", {}),
    ],
)
async def test_R9_a_link_made_in_the_same_batch_does_not_hide_a_withdrawal(
    room: Room, database: TestDatabase, command: str, fields: dict[str, Any]
) -> None:
    """Linking and a decision by the new identifier arrive together: the person's no still stands."""
    person = known((await room.says(someone("anna"), a_command())).subject_id)
    await room.says(person, a_command("withdraw"))
    by_phone = a_submission(
        type(person)(identifiers=(PHONE,)), a_command(command, pointer="/decisions/0", **fields)
    )

    linking = msgspec.structs.replace(a_submission(person), link=(PHONE,))

    _, answer = await asyncio.gather(room.ledger.submit(linking), room.ledger.submit(by_phone))

    assert answer.subject_id == person.subject_id
    assert answer.results[0].permission.allowed is False
    assert answer.results[0].permission.status == "withdrawn"
    assert await faults_of(database) == []


async def test_reads_that_need_the_catalogue_never_wait_for_a_second_connection(
    database: TestDatabase,
) -> None:
    """Twenty callers on a pool of two: nobody holds a connection while asking for another."""
    async with open_room(database) as room:
        subject_id = (await room.says(someone("anna"), a_command())).subject_id
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="small"
    ) as small:
        clock = Clock(day(1))
        catalogue = Catalogue(small, now=clock)
        subjects = Subjects(small, catalogue, KEYRING, now=clock)
        permissions = Permissions(small, catalogue, KEYRING, now=clock)
        ledger = Ledger(small, catalogue, KEYRING, now=clock)
        questions: list[Callable[[], Awaitable[Any]]] = [
            lambda: subjects.consents(Caller("ansettr", "test"), subject_id),
            lambda: subjects.consents(Caller("ansettr", "test"), subject_id, day(0.5)),
            lambda: permissions.one("ansettr", subject_id, "nyhetsbrev"),
            lambda: permissions.one("ansettr", subject_id, "nyhetsbrev", day(0.5)),
            lambda: permissions.many("ansettr", [Query("nyhetsbrev", subject_id)]),
            lambda: permissions.many("ansettr", [Query("nyhetsbrev", subject_id)], day(0.5)),
            lambda: ledger.submit(a_submission(known(subject_id), a_command("withdraw"))),
        ]

        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(ask() for ask in questions * 20))
        await ledger.close()

    assert len(answers) == 140


async def test_a_locked_person_holds_nobody_else_up(
    room: Room, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R23: strangers in the same batch are answered while the locked person's command waits aside."""
    monkeypatch.setattr(ledger_module, "BATCH_LOCK_S", 0.1)
    locked = known((await room.says(someone("anna"), a_command())).subject_id)
    others = [known((await room.says(someone(f"other{n}"), a_command())).subject_id) for n in range(6)]
    transaction = rows.transaction()
    await transaction.start()
    await rows.execute("select 1 from subjects where subject_id = $1 for update", locked.subject_id)

    waiting = asyncio.create_task(room.says(locked, a_command("withdraw")))
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(room.says(other, a_command("withdraw")) for other in others))
    still_waits = not waiting.done()
    await transaction.rollback()
    late = await waiting

    assert {answer.results[0].permission.status for answer in answers} == {"withdrawn"}
    assert still_waits
    assert late.results[0].permission.status == "withdrawn"


async def test_a_lock_that_is_never_released_is_a_clear_answer(
    database: TestDatabase, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "BATCH_LOCK_S", 0.1)
    async with open_room(database, lock_timeout_s=0.3) as room:
        locked = known((await room.says(someone("anna"), a_command())).subject_id)
        async with rows.transaction():
            await rows.execute("select 1 from subjects where subject_id = $1 for update", locked.subject_id)

            with pytest.raises(Unavailable, match="nothing was recorded"):
                await room.says(locked, a_command("withdraw"))
        assert await rows.fetchval("select count(*) from records") == 1


async def test_R19_processes_with_different_keys_first_find_the_same_person(database: TestDatabase) -> None:
    """Both know both keys, in another order: as in the middle of bringing a new one in."""
    async with open_room(database) as room:
        rings = [Keyring(dict(order), {"sealing-1": b"s" * 32}) for order in ((OLD, NEW), (NEW, OLD))]
        ledgers = [Ledger(room.database, room.catalogue, ring, now=room.clock) for ring in rings]
        submission = a_submission(someone("anna"), a_command(pointer="/decisions/0"))

        answers = await asyncio.gather(*(ledger.submit(submission) for ledger in ledgers * 4))
        withdrawn = await ledgers[0].submit(a_submission(someone("anna"), a_command("withdraw")))
        for ledger in ledgers:
            await ledger.close()

    assert len({answer.subject_id for answer in (*answers, withdrawn)}) == 1
    assert sum(answer.created for answer in answers) == 1


async def test_a_commit_whose_end_is_not_known_does_not_claim_that_nothing_was_recorded(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    """The connection is cut while PostgreSQL commits: the caller is told to ask or to repeat, and the relay to look."""
    await rows.execute(
        "create function cut() returns trigger language plpgsql as $$ begin "
        "perform pg_terminate_backend(pg_backend_pid()); return null; end $$"
    )
    async with open_room(database) as room:
        await rows.execute(
            "create constraint trigger cut after insert on records deferrable initially deferred "
            "for each row execute function cut()"
        )

        with pytest.raises(CommitUnknown, match="same Idempotency-Key"):
            await room.says(someone("anna"), a_command())

        assert room.woken == 1


async def test_R22_questions_that_share_a_transaction_see_their_own_controller_alone(
    database: TestDatabase,
) -> None:
    """Two controllers ask in turn, one question a batch: none is read in a transaction that cannot see its rows."""
    async with open_room(database, ("ansettr", "sonh")) as room:
        permissions = Permissions(
            room.database, room.catalogue, KEYRING, batch_rows_max=1, readers=1, now=room.clock
        )
        anna = (await room.says(someone("anna"), a_command())).subject_id
        siri = (await room.says(someone("siri"), a_command(), controller="sonh")).subject_id

        asked = [("ansettr", anna), ("sonh", siri), ("sonh", anna), ("ansettr", siri)] * 25
        answers = await asyncio.gather(
            *(permissions.one(controller, one, "nyhetsbrev") for controller, one in asked),
            return_exceptions=True,
        )

    for (controller, subject_id), answer in zip(asked, answers, strict=True):
        if (controller, subject_id) in {("ansettr", anna), ("sonh", siri)}:
            assert getattr(answer, "allowed", None) is True
        else:
            assert isinstance(answer, NotFound)


async def test_every_question_is_answered_when_its_transaction_breaks(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    """The connection is cut while questions keep coming: each gets an answer or is told to try again."""
    async with open_room(database) as room:
        permissions = Permissions(
            room.database, room.catalogue, KEYRING, batch_rows_max=4, readers=1, now=room.clock
        )
        anna = (await room.says(someone("anna"), a_command())).subject_id
        cut = asyncio.create_task(rows.execute(CUT, database.name))

        async with asyncio.timeout(10):
            answers = await asyncio.gather(
                *(permissions.one("ansettr", anna, "nyhetsbrev") for _ in range(400)), return_exceptions=True
            )
        await cut
        later = await permissions.one("ansettr", anna, "nyhetsbrev")

    assert {type(answer) for answer in answers} <= {Permission, Unavailable}
    assert later.allowed


async def test_questions_that_outlast_a_transaction_are_all_answered(database: TestDatabase) -> None:
    async with open_room(database) as room:
        permissions = Permissions(
            room.database, room.catalogue, KEYRING, batch_rows_max=1, readers=1, now=room.clock
        )
        anna = (await room.says(someone("anna"), a_command())).subject_id

        async with asyncio.timeout(10):
            answers = await asyncio.gather(
                *(
                    permissions.one("ansettr", anna, "nyhetsbrev")
                    for _ in range(2 * TRANSACTION_BATCHES_MAX + 2)
                )
            )

    assert all(answer.allowed for answer in answers)
