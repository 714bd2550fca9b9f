"""A ledger from before proof of propagation: the migration fills in what the running code would have kept (R34)."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from consent_service.domain.catalogue import PurposeEntry
from consent_service.domain.purposes import Change, Recipient
from consent_service.domain.records import Preferences
from consent_service.domain.values import Basis, Channel
from consent_service.embedded import PostgresServer
from consent_service.storage import preparation
from consent_service.storage.preparation import MIGRATIONS, migrate, prepare
from consent_service.usecases.submissions import Caller
from tests.builders import DAY_ZERO, NOTICES, OFFER
from tests.databases import TestDatabase, drop
from tests.usecases.recording import Room, a_command, known, open_room, someone

#: The last migration before there were duties.
BEFORE = "0006"
BASES = {
    "nyhetsbrev": (Basis.CONSENT,),
    "rekruttering": (Basis.LEGITIMATE_INTERESTS,),
    "begge": (Basis.CONSENT, Basis.LEGITIMATE_INTERESTS),
    "avtale": (Basis.CONTRACT, Basis.LEGITIMATE_INTERESTS),
    "skifter": (Basis.LEGITIMATE_INTERESTS,),
}
#: What somebody said, and on which day; versions come on the days 10, 20 and 30, the one on day 20 is material. A late
#: fact names the day on which it happened.
HISTORIES = """
    nyhetsbrev    1 grant 1
    nyhetsbrev    1 grant 1, 11 grant 2, 31 grant 4
    nyhetsbrev    1 grant 1, 11 grant 2, 12 withdraw
    nyhetsbrev    1 grant 1, 12 withdraw, 31 grant 4
    nyhetsbrev    21 grant 3, 31 grant 4, 32 prefer
    nyhetsbrev    21 grant 3, 22 grant 2 on 11
    nyhetsbrev    21 grant 3, 22 withdraw on 5
    rekruttering  1 object
    rekruttering  1 object, 11 lift-objection
    rekruttering  1 object, 11 lift-objection, 31 prefer
    rekruttering  31 prefer
    begge         1 grant 1, 21 grant 3
    begge         1 object, 31 grant 4
    avtale        1 object
    avtale        1 object, 31 lift-objection
    skifter       1 prefer, 25 grant 3
    skifter       25 grant 3, 35 grant 4
    skifter       25 grant 3
"""


def histories() -> list[tuple[str, list[str]]]:
    lines = [line.split(maxsplit=1) for line in HISTORIES.strip().splitlines()]
    return [(purpose, steps.split(", ")) for purpose, steps in lines]


def entry(slug: str, number: int) -> PurposeEntry:
    """Each version drops a recipient, which tells what is owed under it; the third makes one ask for consent."""
    asks = slug == "skifter" and number >= 3
    return PurposeEntry(
        slug=slug,
        legal_bases=(Basis.CONSENT,) if asks else BASES[slug],
        notices=NOTICES,
        preferences=OFFER,
        recipients=tuple(Recipient(f"system-{one}", "System", "processor") for one in range(number, 5)),
        change=Change.MATERIAL if number == 3 else Change.EDITORIAL,
    )


async def live(room: Room) -> list[tuple[UUID, str]]:
    """All histories at once, day after day; who said what is returned in their order."""
    told = histories()
    came = [await room.says(someone(f"person-{place}")) for place in range(len(told))]
    persons = [(answer.subject_id, purpose) for answer, (purpose, _) in zip(came, told, strict=True)]
    for day in range(1, 40):
        room.clock.moment = DAY_ZERO + timedelta(days=day)
        if day in (10, 20, 30):
            for slug in BASES:
                await room.catalogue.publish(Caller("ansettr", "test"), slug, entry(slug, 1 + day // 10))
        for (subject_id, purpose), (_, steps) in zip(persons, told, strict=True):
            for when, command, *words in map(str.split, steps):
                if int(when) == day:
                    await says(room, subject_id, purpose, command, words)
    return persons


async def says(room: Room, subject_id: UUID, purpose: str, command: str, words: list[str]) -> None:
    fields: dict[str, Any] = {}
    if words[:1] not in ([], ["on"]):
        fields["version"] = int(words[0])
    if command == "prefer":
        fields["preferences"] = Preferences(topics=("jobs",))
    if "on" in words:
        fields |= {"occurred_at": DAY_ZERO + timedelta(days=int(words[-1])), "channel": Channel.PAPER}
    await room.says(known(subject_id), a_command(command, purpose, **fields))


@pytest.fixture
async def older(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestDatabase]:
    """A database as it was then."""
    made = TestDatabase(postgres, "consent_older")
    await prepare(postgres.url(), made.name, {})
    for file in MIGRATIONS.iterdir():
        if file.name[:4] <= BEFORE:
            shutil.copy(file, tmp_path)
    with monkeypatch.context() as then:
        then.setattr(preparation, "MIGRATIONS", tmp_path)
        await migrate(made.url("consent_owner"))
    yield made
    await drop(postgres, made)


async def copied(source: TestDatabase, target: TestDatabase) -> None:
    """What the older tables have columns for."""
    reading, writing = await source.connect(), await target.connect()
    await writing.execute("set session_replication_role = replica")
    columns = await writing.fetch(
        "select table_name, array_agg(column_name::text) from information_schema.columns "
        "where table_schema = 'public' and table_name <> 'schema_migrations' group by table_name"
    )
    for table, names in columns:
        held = BytesIO()
        query = f"select {', '.join(names)} from {table}"
        await reading.copy_from_query(query, output=held, format="binary")
        held.seek(0)
        await writing.execute(f"delete from {table}")
        await writing.copy_to_table(table, source=held, columns=names, format="binary")
    await reading.close()
    await writing.close()


async def granted(rows: asyncpg.Connection, persons: list[tuple[UUID, str]]) -> list[Any]:
    found = await rows.fetch("select subject_id, purpose, granted_versions from states")
    by_pair = {(subject_id, purpose): versions for subject_id, purpose, versions in found}
    return [by_pair[pair] for pair in persons]


async def test_R34_an_upgraded_ledger_knows_under_which_versions_it_was_granted(
    database: TestDatabase, older: TestDatabase
) -> None:
    async with open_room(database, ()) as room:
        await room.loads("ansettr", tuple(entry(slug, 1) for slug in BASES))
        persons = await live(room)
    await copied(database, older)
    await migrate(older.url("consent_owner"))
    rows, upgraded = await database.connect(), await older.connect()

    kept = await granted(rows, persons)
    assert list(zip(histories(), await granted(upgraded, persons), strict=True)) == list(
        zip(histories(), kept, strict=True)
    )
    assert {tuple(versions) for versions in kept} >= {(), (1,), (1, 3), (2, 3), (1, 2, 3), (3, 4)}
    await rows.close()

    # So the next no is owed by whoever was granted it before the upgrade.
    subject_id, purpose = persons[1]
    async with open_room(older, ()) as room:
        room.clock.moment = DAY_ZERO + timedelta(days=50)
        await room.says(known(subject_id), a_command("withdraw", purpose))
    owed = await upgraded.fetch("select recipient from duties where not allowed order by recipient")
    assert [name for (name,) in owed] == [f"system-{number}" for number in (1, 2, 3, 4)]
    await upgraded.close()
