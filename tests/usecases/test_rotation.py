"""Everything comes under the keys in use, beside whoever works, and the old ones can be removed (R19, CORE 13)."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import msgspec
import pytest

from consent_service.domain.errors import NotFound
from consent_service.usecases.rotation import What
from consent_service.usecases.submissions import Caller
from tests.databases import TestDatabase
from tests.usecases.recording import a_command, faults_of, known, someone
from tests.usecases.rotating import (
    AUDIT,
    BEHIND,
    FIRST,
    NEW,
    OLD,
    Process,
    a_keeper,
    process,
    ring,
    under,
)

CHAINS = (
    "select s.subject_id, s.last_sequence, s.last_hash, r.sequence, r.record_hash, d.sealed "
    "from subjects s join records r using (controller, subject_id) "
    "join record_details d using (controller, subject_id, record_id) order by 1, 4"
)
PEOPLE = ("anna", "bjarne", "cecilie", "david", "eva")


async def people(old: Process) -> dict[str, UUID]:
    """Five persons; Anna has a second address, and evidence beside her second record."""
    found = {name: await old.meets(name) for name in PEOPLE}
    await old.links(found["anna"], "anna.work")
    old.room.clock.forward(days=1)
    await old.room.says(known(found["anna"]), a_command(evidence=b'{"form":"f-1"}'))
    return {**found, "anna.work": found["anna"]}


async def test_R19_after_a_rotation_the_old_keys_can_be_removed(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with process(database, OLD, ["ansettr"]) as old:
        found = await people(old)
        clock = old.room.clock
    chains = await rows.fetch(CHAINS)
    async with a_keeper(database, FIRST) as keeper:
        before = await keeper.rotation.survey()
        after = await keeper.rotation.rotate()
    async with process(database, NEW, clock=clock) as new:
        looked_up = {name: await new.finds(name) for name in found}
        values = await new.values(found["anna"])
        history = await new.records.history(Caller("ansettr", "anna"), found["anna"])
        met = await new.meets("anna.work")

    assert (before.due, before.removable) == (17, [])
    assert (after.due, after.removable, keeper.faults) == (0, ["l1", "s1"], [])
    assert looked_up == found
    assert sorted(values) == ["anna.work@example.org", "anna@example.org"]
    assert [(one.actor, one.evidence) for one in history.items] == [("crm", None), ("crm", b'{"form":"f-1"}')]
    assert met == found["anna"]
    assert (await rows.fetch(CHAINS))[: len(chains)] == chains
    assert await under(rows, "subject_keys") == {"s2": 5}
    assert await under(rows, "identifiers") == {"s2": 6}
    assert await under(rows, "identifier_hashes") == {"l1": 6, "l2": 6}
    assert await faults_of(database, keyring=NEW) == []


async def test_without_a_rotation_the_new_keys_alone_find_and_open_nothing(database: TestDatabase) -> None:
    """So the test before shows something."""
    async with process(database, OLD, ["ansettr"]) as old:
        found = await people(old)
    async with process(database, NEW) as new:
        with pytest.raises(NotFound):
            await new.finds("anna")
        with pytest.raises(Exception, match="no sealing key 's1'"):
            await new.values(found["anna"])


async def test_every_controller_is_rotated_and_both_are_told_in_the_audit(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with process(database, OLD, ["ansettr", "coness"]) as old:
        await old.meets("anna")
        await old.meets("bjarne")
        await old.room.says(someone("anna"), a_command(), controller="coness")
    async with a_keeper(database, FIRST) as keeper:
        await keeper.rotation.rotate()
        await keeper.rotation.rotate()

    in_use = {"lookup_key": "l2", "sealing_key": "s2"}
    told = [(*row[:3], msgspec.json.decode(row[3])) for row in await rows.fetch(AUDIT)]
    assert told == [
        ("ansettr", "kari", "keys.rotating", in_use),
        (
            *("ansettr", "kari", "keys.rotated"),
            {**in_use, "subject_keys": 2, "identifiers": 2, "identifier_hashes": 2},
        ),
        ("coness", "kari", "keys.rotating", in_use),
        (
            *("coness", "kari", "keys.rotated"),
            {**in_use, "subject_keys": 1, "identifiers": 1, "identifier_hashes": 1},
        ),
    ]


async def test_what_comes_in_behind_from_a_process_with_the_old_order_is_told_and_rotated_later(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with process(database, OLD, ["ansettr"]) as old, process(database, BEHIND) as behind:
        await people(old)
        async with a_keeper(database, FIRST) as keeper:
            await keeper.rotation.rotate()
            await old.meets("frida")
            await behind.meets("gro")
            late = await keeper.rotation.survey()
            again = await keeper.rotation.rotate()

    # Frida: her key, her address's value, and its hash. Gro's address was hashed under both.
    assert (late.due, late.removable) == (5, [])
    assert (again.due, again.removable) == (0, ["l1", "s1"])
    assert await under(rows, "subject_keys") == {"s2": 7}


@pytest.mark.parametrize("commits", [1, 2, 3, 4, 5])
async def test_a_rotation_that_died_after_any_page_is_gone_on_with(
    database: TestDatabase, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    class Died(BaseException):
        pass

    async with process(database, OLD, ["ansettr"]) as old:
        found = await people(old)
    async with a_keeper(database, FIRST, page_rows=2) as first:
        progress = first.rotation._progress

        def dies(left: int, due: int) -> None:
            progress(left, due)
            if len(first.left) == commits:
                raise Died

        first.rotation._progress = dies
        with pytest.raises(Died):
            await first.rotation.rotate()
    async with process(database, BEHIND) as behind:
        halfway = {name: await behind.finds(name) for name in found}
    async with a_keeper(database, FIRST, page_rows=2) as second:
        left = (await second.rotation.survey()).due
        after = await second.rotation.rotate()
    async with process(database, NEW) as new:
        looked_up = {name: await new.finds(name) for name in found}

    assert 0 < left < 17
    assert halfway == looked_up == found
    assert (after.due, second.faults) == (0, [])
    assert second.left[-1] == 0
    assert await under(rows, "identifier_hashes") == {"l1": 6, "l2": 6}
    assert await faults_of(database, keyring=NEW) == []


async def test_several_at_once_do_no_harm(database: TestDatabase, rows: asyncpg.Connection) -> None:
    async with process(database, OLD, ["ansettr"]) as old:
        found = await people(old)
    async with a_keeper(database, FIRST, page_rows=2) as one, a_keeper(database, FIRST, page_rows=2) as two:
        surveys = await asyncio.gather(one.rotation.rotate(), two.rotation.rotate(), one.rotation.survey())
    async with process(database, NEW) as new:
        looked_up = {name: await new.finds(name) for name in found}
        values = await new.values(found["anna"])

    assert [survey.due for survey in surveys[:2]] == [0, 0]
    assert one.faults + two.faults == []
    assert looked_up == found
    assert sorted(values) == ["anna.work@example.org", "anna@example.org"]
    assert await under(rows, "identifier_hashes") == {"l1": 6, "l2": 6}


async def test_it_goes_no_faster_than_it_may(database: TestDatabase) -> None:
    async with process(database, OLD, ["ansettr"]) as old:
        await people(old)
    async with a_keeper(database, FIRST, rows_per_s=2) as keeper:
        await keeper.rotation.rotate()

    # Seventeen rows at two a second; nobody waits after the last.
    assert 7.5 <= keeper.ticks.at <= 9.5
    assert keeper.left == sorted(keeper.left, reverse=True)
    assert keeper.left[-1] == 0


async def test_what_does_not_open_is_told_and_keeps_nothing_else_from_being_rotated(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with process(database, OLD, ["ansettr"]) as old:
        found = await people(old)
    spoil = "update {} set {} = overlay({} placing '\\x00000000' from 20) where subject_id = $1"
    await rows.execute(spoil.format("subject_keys", *["sealed_key"] * 2), found["bjarne"])
    await rows.execute(spoil.format("identifiers", *["sealed_value"] * 2), found["cecilie"])
    await rows.execute("update identifiers set key_id = 's0' where subject_id = $1", found["david"])
    async with a_keeper(database, FIRST) as keeper:
        survey = await keeper.rotation.rotate()

    assert {(one.place.subject_id, one.what, one.detail) for one in keeper.faults} == {
        (found["bjarne"], What.KEY_BROKEN, "s1"),
        (found["cecilie"], What.VALUE_BROKEN, "s1"),
    }
    assert keeper.rotation.faults == 2
    # Two values and two hashes of Cecilie and David, and Bjarne's key.
    assert (survey.due, survey.unopenable, survey.removable) == (5, 1, [])
    assert await under(rows, "identifiers") == {"s0": 1, "s1": 1, "s2": 4}


async def test_identifiers_that_no_key_of_the_settings_finds_are_found_again(database: TestDatabase) -> None:
    """The look-up key was lost, the sealing key was not."""
    async with process(database, OLD, ["ansettr"]) as old:
        found = await people(old)
    saved = ring("l2", "s1")
    async with a_keeper(database, saved) as keeper:
        before = await keeper.rotation.survey()
        after = await keeper.rotation.rotate()
    async with process(database, saved) as new:
        looked_up = {name: await new.finds(name) for name in found}

    assert (before.lost, before.due) == (6, 6)
    assert (after.lost, after.due) == (0, 0)
    assert looked_up == found


async def test_a_suppression_keeps_its_look_up_key(database: TestDatabase, rows: asyncpg.Connection) -> None:
    """It holds no value that could be hashed anew."""
    async with process(database, OLD, ["ansettr"]) as old:
        await people(old)
    await rows.execute("insert into suppressions values (sha256('x'), 'ansettr', 'l1', now())")
    async with a_keeper(database, FIRST) as keeper:
        survey = await keeper.rotation.rotate()

    assert (survey.due, survey.removable) == (0, ["s1"])
    assert await under(rows, "suppressions") == {"l1": 1}


async def test_hashes_of_a_key_that_is_gone_are_forgotten_where_the_key_in_use_finds_the_same(
    database: TestDatabase, rows: asyncpg.Connection
) -> None:
    async with process(database, OLD, ["ansettr", "coness"]) as old, process(database, NEW) as new:
        found = await people(old)
        async with a_keeper(database, FIRST) as keeper:
            await keeper.rotation.rotate()
        await old.meets("frida")
        await new.room.says(someone("anna"), a_command(), controller="coness")
    async with a_keeper(database, NEW, page_rows=2) as keeper:
        forgotten = await keeper.rotation.forget("l1")
        survey = await keeper.rotation.survey()
    async with process(database, FIRST) as later:
        looked_up = {name: await later.finds(name) for name in (*found, "frida")}

    assert (forgotten, keeper.left[-1]) == (6, 1)
    assert await under(rows, "identifier_hashes") == {"l1": 1, "l2": 7}
    assert (survey.lost, survey.strangers(["identifier_hashes"])) == (1, ["l1"])
    assert looked_up.items() >= found.items()
    told = [(row[0], row[2], msgspec.json.decode(row[3])) for row in (await rows.fetch(AUDIT))[-2:]]
    assert told == [
        ("ansettr", "keys.forgetting", {"key_id": "l1"}),
        ("ansettr", "keys.forgotten", {"key_id": "l1", "identifier_hashes": 6}),
    ]
