"""Kafka, the store or the answers are away: nothing is lost, nothing is committed too early, and it ends when told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from consent_client.errors import Refused, Unavailable
from consent_client.model import Acknowledgement
from consent_client.recipient import MemoryStore, SqliteStore

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer
from tests.clients.recipient.systems import GROUP, QUICK, System, obeying, until
from tests.clients.recipient.test_kills import journal, member
from tests.clients.recipient.test_parked import beside
from tests.clients.recipient.test_recipient import all_committed
from tests.clients.recipient.topics import Topics, a_step
from tests.events.streams import PATIENCE_S, eventually, subject

LATE = msgspec.structs.replace(QUICK, answer_s=1.0)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[KafkaServer]:
    async with KafkaServer(tmp_path / "kafka", cache_dir=cache_dir()) as broker:
        yield broker


async def test_a_broker_that_dies_while_a_handler_works_costs_nothing(
    broker: KafkaServer, tmp_path: Path
) -> None:
    topics = Topics(broker.bootstrap, "away")
    await topics.make()
    await topics.tell(a_step(1, 1), a_step(2, 1))
    system = System()
    system.hold = asyncio.Event()

    async with obeying(system, topics, tmp_path / "recipient.db", limits=LATE):
        await until(lambda: len(system.tries) == 2)
        await broker.kill()
        system.hold.set()
        await until(lambda: len(system.done) == 2)
        assert system.counters.acknowledged == 0
        await broker.restart()
        await topics.tell(a_step(1, 2))
        await until(lambda: system.of(1) == ["start 1", "stop 2"])
        await all_committed(topics, 3)

    assert await topics.outcomes(1) == ["1 started", "2 stopped"]
    assert await topics.outcomes(2) == ["1 started"]


async def test_what_is_begun_before_there_is_a_broker_begins_when_there_is_one(topics: Topics) -> None:
    system = System()
    there, topics.bootstrap = topics.bootstrap, "127.0.0.1:1"

    async with obeying(system, topics, limits=LATE):
        await asyncio.sleep(0.05)

    topics.bootstrap = there
    assert system.done == []


async def test_a_store_that_is_locked_lets_nothing_be_committed_and_nothing_be_lost(
    topics: Topics, tmp_path: Path
) -> None:
    file, other = tmp_path / "recipient.db", beside(1)
    await topics.tell(a_step(1, 1))
    system = System()
    system.hold = asyncio.Event()

    async with obeying(system, topics, SqliteStore(file, lock_wait_s=0.01)):
        await until(lambda: system.tries[1] == 1)
        with sqlite3.connect(file) as locking:
            locking.execute("begin immediate")
            system.hold.set()
            await until(lambda: system.done == [(1, "start 1")])
            await topics.tell(a_step(other, 1))
            await until(lambda: len(system.done) == 2)
            assert await topics.committed(GROUP) <= 0
            assert await topics.acknowledgements() == []
        await all_committed(topics, 2)

    assert system.done == [(1, "start 1"), (other, "start 1")]
    assert await topics.outcomes(1) == ["1 started"]


async def test_a_full_disk_lets_nothing_be_committed_and_nothing_be_lost(
    topics: Topics, tmp_path: Path
) -> None:
    store, system = SqliteStore(tmp_path / "recipient.db"), System()
    await topics.tell(*(a_step(number, 1) for number in range(40)))

    async with obeying(system, topics, store):
        await all_committed(topics, 40)
        await store._run(lambda: store._opened().execute("pragma max_page_count = 1"))
        await store._run(lambda: _fill(store._opened()))
        await topics.tell(
            *(a_step(number, 2) for number in range(40)), *(a_step(n, 1) for n in range(40, 140))
        )
        await until(lambda: len(system.done) == 180)
        committed = await topics.committed(GROUP)
        await store._run(lambda: store._opened().execute("pragma max_page_count = 1000000"))
        await all_committed(topics, 180)

    assert committed < 180
    assert sorted({number for number, _ in system.done}) == list(range(140))


def _fill(connection: sqlite3.Connection) -> None:
    """Until nothing more goes in."""
    try:
        for place in range(10_000):
            connection.execute("insert into epochs values ('filler', ?, 1)", (place,))
    except sqlite3.OperationalError:
        return


async def test_words_that_nobody_takes_hold_the_progress(topics: Topics, kafka: KafkaServer) -> None:
    lonely = Topics(kafka.bootstrap, topics.prefix + ".lonely")
    await lonely.make("changes", "state")
    await lonely.tell(a_step(1, 1))
    system = System()

    async with obeying(system, lonely, limits=LATE):
        await until(lambda: system.done == [(1, "start 1")])
        assert await lonely.committed(GROUP) <= 0
        await lonely.make("acks")
        await all_committed(lonely, 1)

    assert await lonely.outcomes(1) == ["1 started"]


class Doors:
    """Takes words over HTTP as the service would: first away, then it refuses some."""

    def __init__(self) -> None:
        self.away = 2
        self.refused = str(a_step(2, 1).record_id)
        self.taken: list[tuple[str, str, str]] = []

    async def acknowledge(self, recipient: str, acknowledgements: Sequence[Acknowledgement]) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("the service is away")
        for word in acknowledgements:
            if str(word.record_id) == self.refused:
                raise Refused(422, "unknown-record", "it was never sent")
        self.taken += [(recipient, str(word.record_id), word.outcome) for word in acknowledgements]


async def test_words_go_over_http_where_kafka_may_not_be_written_to(topics: Topics) -> None:
    doors, system = Doors(), System()
    await topics.tell(*(a_step(number, 1) for number in range(4)))

    async with obeying(system, topics, acknowledge_over=doors):
        await all_committed(topics, 4)

    told = {("system", str(a_step(number, 1).record_id), "started") for number in (0, 1, 3)}
    assert set(doors.taken) == told


async def test_a_stop_lets_the_handler_under_way_finish_and_leaves_the_group(topics: Topics) -> None:
    await topics.tell(a_step(1, 1), a_step(1, 2))
    system, store = System(), MemoryStore()
    system.hold = asyncio.Event()

    async with obeying(system, topics, store) as stop:
        await until(lambda: system.tries[1] == 1)
        stop.set()
        asyncio.get_running_loop().call_later(0.1, system.hold.set)

    assert system.done == [(1, "start 1")]
    assert await topics.committed(GROUP) == 1
    assert await topics.outcomes(1) == ["1 started"]
    # It left: the next one gets the partitions at once, not after a session.
    async with obeying(system, topics, store):
        await eventually(lambda: _true(len(system.done) == 2), patience_s=4.0)


async def _true(it: bool) -> bool:
    return it


async def test_a_handler_that_does_not_finish_is_cut_off_and_called_again_later(topics: Topics) -> None:
    await topics.tell(a_step(1, 1))
    system, store = System(), MemoryStore()
    system.hold = asyncio.Event()
    limits = msgspec.structs.replace(QUICK, finish_s=0.05)

    async with obeying(system, topics, store, limits=limits) as stop:
        await until(lambda: system.tries[1] == 1)
        stop.set()
    assert system.done == []

    system.hold = None
    async with obeying(system, topics, store, limits=limits):
        await until(lambda: system.done == [(1, "start 1")])


async def test_a_recipient_that_is_cancelled_leaves_as_one_that_is_stopped(topics: Topics) -> None:
    await topics.tell(a_step(1, 1))
    system = System()
    running = asyncio.create_task(
        system.run(kafka=topics.bootstrap, prefix=topics.prefix, controller="ansettr", limits=QUICK)
    )
    await until(lambda: system.done == [(1, "start 1")])
    await until(lambda: system.counters.acknowledged == 1)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert await topics.committed(GROUP) == 1


async def test_SIGTERM_ends_all_recipients_of_a_process(topics: Topics) -> None:
    one, other = System(), System()
    other.slug = "other"
    where: dict[str, Any] = {
        "kafka": topics.bootstrap,
        "prefix": topics.prefix,
        "controller": "ansettr",
        "limits": QUICK,
    }
    running = [asyncio.create_task(system.run(**where)) for system in (one, other)]
    try:
        await until(lambda: one.counters.lag == other.counters.lag == 0)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*running), PATIENCE_S)
    finally:
        for task in running:
            task.cancel()
    # What the process did with the signal before is left as it was.
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_SIGTERM_ends_a_process_well(topics: Topics, tmp_path: Path) -> None:
    await topics.tell(a_step(1, 1))
    process = await member(topics, tmp_path)
    await eventually(lambda: _true((tmp_path / "journal").exists() and bool(journal(tmp_path))))

    assert await process.stop() == 0
    assert journal(tmp_path) == {str(subject(1)): [1]}
    assert await topics.committed(GROUP) == 1
