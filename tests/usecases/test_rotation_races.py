"""Persons are found, linked and made while keys are rotated: never two for one identifier, nobody lost (R19, CORE 13)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from consent_service.domain.errors import NotFound
from consent_service.storage import rotation as storage
from consent_service.storage.database import Connection
from consent_service.storage.keyring import Keyring
from consent_service.storage.rotation import NewHash
from consent_service.usecases import rotation as module
from consent_service.usecases.rotation import What
from tests.databases import TestDatabase
from tests.events.streams import eventually
from tests.usecases.recording import faults_of
from tests.usecases.rotating import (
    BEHIND,
    CRM,
    FIRST,
    NEW,
    OLD,
    Process,
    a_keeper,
    email,
    process,
    ring,
    under,
)

STORY = 12
DOUBLES = (
    "select count(*) from (select hash from identifier_hashes group by hash having count(*) > 1) as doubled"
)


class Crowd:
    """Persons who are made by one process, linked by another and looked up by all, again and again."""

    def __init__(self, *processes: Process) -> None:
        self._processes = processes
        self.found: dict[str, UUID] = {}
        self.looked_up = 0

    async def comes(self, number: int) -> None:
        """Both processes meet the same new person at one moment; then one links another address, and all look."""
        names = [f"{number}.{place}" for place in range(STORY)]
        for name in names:
            met = await asyncio.gather(*(one.meets(name) for one in self._processes))
            assert len(set(met)) == 1, name
            self.found[name] = met[0]
            linking = self._processes[number % len(self._processes)]
            await linking.links(met[0], f"{name}.work")
            self.found[f"{name}.work"] = met[0]
            await self.looks(names)

    async def looks(self, names: Collection[str]) -> None:
        for one in self._processes:
            for name in names:
                if name in self.found:
                    assert await one.finds(name) == self.found[name]
                    self.looked_up += 1

    async def keeps_looking(self, names: Collection[str], while_not_done: asyncio.Future[Any]) -> None:
        while not while_not_done.done():
            await self.looks(names)


@pytest.mark.parametrize(
    ("left", "right"),
    [(OLD, BEHIND), (BEHIND, FIRST), (FIRST, NEW)],
    ids=["the new one added", "the new one put first", "the old one removed"],
)
async def test_R19_two_processes_one_step_of_the_restarts_apart_make_one_person(
    database: TestDatabase, rows: asyncpg.Connection, left: Keyring, right: Keyring
) -> None:
    """At the same moment, so that neither can have read what the other writes."""
    async with process(database, left, ["ansettr"]) as one, process(database, right) as two:
        pairs = [
            await asyncio.gather(*(each.meets(f"p{number}") for each in (one, two))) for number in range(20)
        ]

    assert [len(set(pair)) for pair in pairs] == [1] * 20
    assert await rows.fetchval("select count(*) from subjects") == 20


async def test_R19_at_every_moment_of_a_rotation_everybody_is_found_linked_and_made_once(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    """By two processes, of which one has the new keys behind the old ones still."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(process(database, BEHIND, ["ansettr"]))
        two = await stack.enter_async_context(process(database, FIRST))
        old = await stack.enter_async_context(process(database, OLD))
        before = {f"old{number}": await old.meets(f"old{number}") for number in range(60)}
        crowd = Crowd(one, two)
        crowd.found |= before
        keeper = await stack.enter_async_context(a_keeper(database, FIRST, page_rows=10))
        coming = asyncio.gather(*(crowd.comes(number) for number in range(4)))
        looking = asyncio.create_task(crowd.keeps_looking(list(before), coming))
        while not coming.done():
            await keeper.rotation.rotate()
        written = len(keeper.left)
        await asyncio.gather(coming, looking)
        # What the last walk has passed, now that all processes know both keys and are at rest.
        last = await keeper.rotation.rotate()
        new = await stack.enter_async_context(process(database, NEW))
        looked_up = {name: await new.finds(name) for name in crowd.found}
        values = Counter([value for one in set(looked_up.values()) for value in await new.values(one)])

    assert written > 12 and crowd.looked_up > 500
    assert (last.due, keeper.faults) == (0, [])
    assert looked_up == crowd.found
    assert values == Counter(email(name).value for name in crowd.found)
    assert await rows.fetchval("select count(*) from subjects") == len(set(crowd.found.values()))
    assert await rows.fetchval("select count(*) from identifiers") == len(crowd.found)
    assert await under(rows, "subject_keys") == {"s2": len(set(crowd.found.values()))}
    assert await faults_of(database, keyring=NEW) == []


async def test_processes_that_share_no_key_make_two_persons_and_the_rotation_tells_whom(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    """What happens where the steps of OPERATIONS are left out; one of the two is unlinked, and all is well."""
    blind = ring("l2", "s1")
    async with process(database, OLD, ["ansettr"]) as old, process(database, blind) as blind_one:
        anna, other = await old.meets("anna"), await blind_one.meets("anna")
        bjarne = await old.meets("bjarne")
        await blind_one.links(bjarne, "bjarne")
        async with a_keeper(database, FIRST) as keeper:
            survey = await keeper.rotation.rotate()
            told = {(one.place.subject_id, one.what, one.detail.split()[0]) for one in keeper.faults}
            for fault in keeper.faults:
                await blind_one.subjects.unlink(
                    CRM, UUID(fault.detail.split()[0]), UUID(fault.detail.split()[-1])
                )
            again = await keeper.rotation.rotate()
    async with process(database, NEW) as new:
        found = [await new.finds("anna"), await new.finds("bjarne")]

    assert anna != other
    assert told == {(anna, What.SHARED, str(other)), (bjarne, What.TWICE, str(bjarne))}
    assert (survey.due, survey.removable) == (2, ["s1"])
    assert (again.due, again.removable) == (0, ["l1", "s1"])
    assert found == [anna, bjarne]
    assert await rows.fetchval(DOUBLES) == 0


async def test_an_identifier_that_is_unlinked_while_it_is_rotated_leaves_no_hash_behind(
    database: TestDatabase, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unlinking began before the new hash was there to be seen, and waits for the rotation's transaction."""
    inserted, may_commit = asyncio.Event(), asyncio.Event()
    insert_hashes = storage.insert_hashes

    async def waits(
        connection: Connection, controller: str, lookup_id: str, made: Sequence[NewHash]
    ) -> set[UUID]:
        done = await insert_hashes(connection, controller, lookup_id, made)
        inserted.set()
        await may_commit.wait()
        return done

    monkeypatch.setattr(module, "insert_hashes", waits)
    async with process(database, OLD, ["ansettr"]) as old, process(database, BEHIND) as behind:
        anna = await old.meets("anna")
        identifier_id = await rows.fetchval("select identifier_id from identifiers")
        async with a_keeper(database, FIRST) as keeper:
            rotating = asyncio.create_task(keeper.rotation.rotate())
            await inserted.wait()
            unlinking = asyncio.create_task(behind.subjects.unlink(CRM, anna, identifier_id))
            await eventually(lambda: waiting(rows), 10)
            may_commit.set()
            await asyncio.gather(rotating, unlinking)
        with pytest.raises(NotFound):
            await behind.finds("anna")
        again = await behind.meets("anna")

    assert again != anna
    assert await under(rows, "identifier_hashes") == {"l1": 1, "l2": 1}


async def waiting(rows: asyncpg.Connection) -> bool:
    """Whether anybody waits for a lock in this database."""
    return bool(
        await rows.fetchval(
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock' "
            "and datname = current_database())"
        )
    )


@pytest.mark.timeout(30)
async def test_an_identifier_that_is_being_unlinked_is_not_waited_for(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with process(database, OLD, ["ansettr"]) as old:
        anna = await old.meets("anna")
        await old.meets("bjarne")
        held = await rows.fetchval("select identifier_id from identifiers where subject_id = $1", anna)
        async with a_keeper(database, FIRST, page_rows=1) as keeper:
            async with rows.transaction():
                await rows.execute("select 1 from identifiers where identifier_id = $1 for update", held)
                meanwhile = await keeper.rotation.rotate()
            after = await keeper.rotation.rotate()

    assert (meanwhile.due, after.due) == (2, 0)
    assert keeper.faults == []


async def test_what_was_unlinked_after_it_was_read_stays_unlinked(
    database: TestDatabase, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    reseal_identifiers = storage.reseal_identifiers
    async with process(database, OLD, ["ansettr"]) as old:
        anna = await old.meets("anna")
        identifier_id = await rows.fetchval("select identifier_id from identifiers")

        async def too_late(*arguments: Any) -> set[UUID]:
            await old.subjects.unlink(CRM, anna, identifier_id)
            return await reseal_identifiers(*arguments)

        monkeypatch.setattr(module, "reseal_identifiers", too_late)
        async with a_keeper(database, FIRST) as keeper:
            survey = await keeper.rotation.rotate()

    assert survey.due == 0
    assert await under(rows, "identifiers") == await under(rows, "identifier_hashes") == {}
