"""What one controller's submission does to another's that shares a batch with it: nothing (R22, R23).

A transaction that mixes controllers may see the rows of both, so no policy stands between them there.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from consent_service.domain.errors import NotFound
from consent_service.domain.values import Channel
from consent_service.usecases import ledger as ledger_module
from tests.builders import day
from tests.events.streams import eventually
from tests.usecases.recording import Room, a_command, a_submission, kinds, known, someone, together

CONTROLLERS = ("ansettr", "coness")
LATE: dict[str, Any] = {
    "channel": Channel.IMPORT,
    "occurred_at": day(0.5),
    "evidence": b'{"list":"old"}',
}


async def test_R22_who_names_anothers_person_takes_no_part_in_what_is_read_about_them(room: Room) -> None:
    """An old yes comes in late, behind a no. Both ways round, since a batch takes its controllers in any order."""
    persons = [
        (await room.says(someone("anna"), a_command(), controller=one)).subject_id for one in CONTROLLERS
    ]
    room.clock.forward(days=1)
    for controller, person in zip(CONTROLLERS, persons, strict=True):
        await room.says(known(person), a_command("withdraw"), controller=controller)
    room.clock.forward(days=1)
    own, others = zip(CONTROLLERS, persons, strict=True), zip(CONTROLLERS, reversed(persons), strict=True)
    answers = await together(
        *(
            room.ledger.submit(a_submission(known(person), a_command(**LATE), controller=controller))
            for controller, person in (*own, *others)
        )
    )

    assert [one.results[0].permission.status for one in answers[:2]] == ["withdrawn", "withdrawn"]
    assert kinds(answers[2:]) == [NotFound, NotFound]


async def test_R22_who_waits_for_a_locked_person_keeps_no_other_controllers_back(
    room: Room, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both know an Anna by the same address; nobody else may wait aside."""
    monkeypatch.setattr(ledger_module, "BATCH_LOCK_S", 0.1)
    monkeypatch.setattr(ledger_module, "PATIENT_MAX", 1)
    locked = (await room.says(someone("anna"), a_command())).subject_id
    async with rows.transaction():
        await rows.execute("select 1 from subjects where subject_id = $1 for update", locked)
        waiting = asyncio.create_task(room.says(someone("anna"), a_command("withdraw")))

        async def is_aside() -> bool:
            return bool(room.ledger._patient)

        await eventually(is_aside)
        theirs = await room.says(someone("anna"), a_command(), controller="coness")
        still_waits = not waiting.done()

    assert theirs.created
    assert still_waits
    assert (await waiting).results[0].permission.status == "withdrawn"
