"""What every store has to do, whatever it keeps things in."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from consent_client import clock
from consent_client.errors import Unavailable
from consent_client.model import Acknowledgement
from consent_client.recipient import MemoryStore, PostgresStore, SqliteStore, Store
from consent_client.recipient.opening import store_from
from consent_client.recipient.store import SealedRecord, Settled, Told
from consent_client.words import Outcome

from tests.clients.recipient.systems import until
from tests.clients.recipient.topics import record_id
from tests.databases import TestDatabase
from tests.events.streams import subject

OWNER = "ansettr/system"
NOW = clock.now()


@pytest.fixture
async def store(new_store: Callable[[], Store]) -> AsyncIterator[Store]:
    made = new_store()
    await made.open(OWNER)
    yield made
    await made.close()


def told(offset: int, who: str = "anna", value: bytes | None = None) -> Told:
    return Told(who, "changes", 3, offset, who.encode(), value or b"%d" % offset, (("ce_type", b"x"),))


def act(sequence: int, epoch: int = 1, purpose: str = "nyhetsbrev", who: str = "anna") -> Settled:
    word = Acknowledgement(
        acknowledgement_id=record_id(9, sequence),
        controller="ansettr",
        recipient="system",
        record_id=record_id(1, sequence),
        subject_id=subject(1),
        outcome=Outcome.ACCEPTED,
        at=NOW,
        due_at=NOW + timedelta(days=1),
    )
    return Settled(
        subject=who, purpose=purpose, partition=3, ledger_epoch=epoch, sequence=sequence, word=word
    )


async def test_the_last_act_of_each_pair_is_kept_with_its_word(store: Store) -> None:
    await store.settle([act(1), act(2), act(7, purpose="rekruttering"), act(3, who="berit")])
    await store.settle([act(1)])

    assert await store.settled(["anna"]) == {
        ("anna", "nyhetsbrev"): act(2),
        ("anna", "rekruttering"): act(7, purpose="rekruttering"),
    }
    assert await store.settled(["nobody"]) == {}
    assert len(await store.settled_in(3)) == 3
    assert await store.settled_in(4) == []


async def test_the_epoch_comes_before_the_sequence(store: Store) -> None:
    await store.settle([act(9, epoch=1), act(1, epoch=2), act(10, epoch=1)])

    assert (await store.settled(["anna"]))["anna", "nyhetsbrev"].place == (2, 1)


async def test_what_is_parked_waits_in_its_order_and_once(store: Store) -> None:
    assert [await store.park(told(offset)) for offset in (5, 6, 7)] == [True] * 3
    assert not await store.park(told(9, value=b"6"))

    waiting = await store.parked("anna", 2)

    assert [one.told for one in waiting] == [told(5), told(6)]
    assert list(await store.waiting([3])) == ["anna"]
    assert list(await store.waiting([2])) == []
    assert list(await store.waiting(None)) == ["anna"]
    await store.unpark(waiting[0].place)
    assert [one.told for one in await store.parked("anna", 9)] == [told(6), told(7)]


async def test_due_is_whose_first_event_is(store: Store) -> None:
    later = NOW + timedelta(minutes=1)
    await store.park(told(5), tries=3, retry_at=later)
    await store.park(told(6))
    await store.park(told(1, who="berit"))

    assert list(await store.due([3], NOW, 10)) == ["berit"]
    assert sorted(await store.due([3], later, 10)) == ["anna", "berit"]
    assert len(await store.due([3], later, 1)) == 1
    [berit] = await store.parked("berit", 9)
    await store.delay(berit.place, later)
    assert list(await store.due([3], NOW, 10)) == []
    assert [one.tries for one in await store.parked("berit", 9)] == [1]
    assert [one.tries for one in await store.parked("anna", 9)] == [3, 0]


async def test_an_operator_hurries_the_first_or_releases_it(store: Store) -> None:
    await store.park(told(5), tries=3, retry_at=NOW + timedelta(minutes=1))
    await store.park(told(6))

    assert await store.hurry("anna", NOW, release=False)
    assert list(await store.due([3], NOW, 10)) == ["anna"]
    assert [one.released for one in await store.parked("anna", 9)] == [False, False]
    assert await store.hurry("anna", NOW, release=True)
    assert [one.released for one in await store.parked("anna", 9)] == [True, False]
    assert not await store.hurry("berit", NOW, release=True)


async def test_epochs_are_kept_by_partition(store: Store) -> None:
    await store.set_epoch(3, 1)
    await store.set_epoch(3, 2)
    await store.set_epoch(4, 1)

    assert await store.epochs() == {3: 2, 4: 1}


async def test_sealed_records_are_found_replaced_and_dropped(store: Store) -> None:
    await store.write_record(SealedRecord(b"old", "k1", b"sealed"), [])
    assert await store.read_record([b"new", b"old"]) == SealedRecord(b"old", "k1", b"sealed")
    await store.write_record(SealedRecord(b"new", "k2", b"again"), [b"old"])

    assert await store.read_record([b"old"]) is None
    assert await store.read_record([b"new", b"old"]) == SealedRecord(b"new", "k2", b"again")
    await store.drop_record([b"new"])
    assert await store.read_record([b"new"]) is None


async def test_two_recipients_in_one_store_do_not_meet(store: Store, new_store: Callable[[], Store]) -> None:
    other = new_store()
    await other.open("ansettr/other")
    await store.settle([act(5)])
    await store.park(told(5))
    await store.set_epoch(3, 2)

    assert await other.settled(["anna"]) == {}
    assert await other.park(told(5))
    assert await other.epochs() == {}
    await other.close()


async def test_members_that_share_a_store_see_each_others_acts(
    store: Store, new_store: Callable[[], Store]
) -> None:
    if not store.durable:
        return
    other = new_store()
    await other.open(OWNER)

    await asyncio.gather(
        *(one.settle([act(sequence)]) for sequence in range(1, 40) for one in (store, other))
    )

    assert (await other.settled(["anna"]))["anna", "nyhetsbrev"] == act(39)
    await other.close()


async def test_a_locked_or_broken_file_is_unavailable_and_keeps_nothing(tmp_path: Path) -> None:
    file = tmp_path / "recipient.db"
    store = SqliteStore(file, lock_wait_s=0.05)
    await store.open(OWNER)
    with sqlite3.connect(file) as locking:
        locking.execute("begin immediate")
        with pytest.raises(Unavailable, match="SQLITE_BUSY"):
            await store.settle([act(1)])
    assert await store.settled(["anna"]) == {}
    await store.close()

    with pytest.raises(Unavailable, match="SQLITE_CANTOPEN"):
        await SqliteStore(tmp_path / "missing" / "recipient.db").open(OWNER)


async def test_a_closed_file_leaves_no_thread_and_can_be_opened_again(tmp_path: Path) -> None:
    others = set(threading.enumerate())
    store = SqliteStore(tmp_path / "recipient.db")
    for sequence in (1, 2):
        await store.open(OWNER)
        await store.settle([act(sequence)])
        assert len(set(threading.enumerate()) - others) == 1
        await store.close()
        await until(lambda: set(threading.enumerate()) <= others)
        with pytest.raises(Unavailable, match="not open"):
            await store.settled(["anna"])


async def test_a_database_that_goes_away_is_unavailable_and_comes_back(database: TestDatabase) -> None:
    store = PostgresStore(database.url("postgres"))
    await store.open(OWNER)
    connection = await database.connect()
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid()"
    )
    await connection.close()

    for _ in range(5):
        try:
            await store.settle([act(1)])
            break
        except Unavailable:
            continue
    assert list((await store.settled(["anna"])).values()) == [act(1)]
    await store.close()

    with pytest.raises(Unavailable):
        await PostgresStore("postgresql://127.0.0.1:1/nowhere").open(OWNER)


def test_a_store_is_chosen_by_what_it_is_called(tmp_path: Path) -> None:
    own = MemoryStore()

    assert isinstance(store_from(None), MemoryStore)
    assert isinstance(store_from("postgresql://x/y"), PostgresStore)
    assert isinstance(store_from("recipient.db"), SqliteStore)
    assert isinstance(store_from(tmp_path / "recipient.db"), SqliteStore)
    assert store_from(own) is own
