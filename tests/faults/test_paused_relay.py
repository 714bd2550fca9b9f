"""A relay is stopped for longer than its lease with events under way, and goes on when another one publishes for it:
what it had sent and what it still sends comes in front of everything newer, or not at all (R30)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consent_service.cli.run import cache_dir
from consent_service.domain.partitions import group_of, shard_of, subject_hash
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.embedded.ports import HOST, free_port
from consent_service.events.wire.consume import read_change, read_state
from tests.databases import TestDatabase
from tests.events.laid_out import verified
from tests.events.streams import Stream, a_record, by_subject, eventually, subject
from tests.faults.cast import Program
from tests.faults.load import Load
from tests.faults.proxy import Proxy, Way
from tests.faults.stage import set_stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

NUMBERS = range(40)
#: What two messages of one record have at least.
RECORD_BYTES = 400
TAKEN_OVER_S_MAX = 10.0
GROUPS = (
    "select coalesce(array_agg(shard_group), '{}') from relay_leases where holder like '%:' || $1 || ':%'"
)
WAITING = """
    select exists (
        select from pg_stat_activity
        where usename = 'consent_relay' and datname = current_database() and wait_event_type = 'Lock')
"""

SEED = 30
CLIENTS = 8
PAUSE_S = 0.1
#: Few commands about each, so that what came too late would still lie at the end.
PERSONS = 80
BETWEEN = 40
#: Of so many stops one is as long as it takes to lose the groups; the others are shorter, up to this.
LONG_EVERY, SHORT_S = 2, 2.0
TIMES = soak(2, 40)


@pytest.fixture(scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[KafkaServer, Proxy]]:
    """A broker, and a way into it through a proxy."""
    proxy = Proxy(free_port())
    folder = tmp_path_factory.mktemp("kafka-with-a-door")
    async with (
        KafkaServer(folder, cache_dir=cache_dir(), doors={proxy.target_port: proxy.port}) as broker,
        proxy,
    ):
        yield broker, proxy


def a_relay(database: TestDatabase, bootstrap: str) -> Program:
    environment = {
        "CONSENT_MODE": "development",
        "CONSENT_DATABASE_URL": database.url("consent_service"),
        "CONSENT_RELAY_DATABASE_URL": database.url("consent_relay"),
        "CONSENT_KAFKA_BOOTSTRAP": bootstrap,
    }
    return Program("relay", environment=environment)


async def groups(database: TestDatabase, relay: Program) -> set[int]:
    """Which this relay holds, as the database says."""
    connection = await database.connect()
    try:
        return set(await connection.fetchval(GROUPS, str(relay.process.pid)))
    finally:
        await connection.close()


async def hold_groups(database: TestDatabase, counts: dict[Program, int]) -> float:
    """Return once each relay holds so many; after how many seconds that was."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def they_do() -> bool:
        return all([len(await groups(database, relay)) == count for relay, count in counts.items()])

    await eventually(they_do)
    return loop.time() - began


async def says(stream: Stream, sequence: int) -> None:
    """Everybody's next record."""
    await stream.append([a_record(number, sequence) for number in NUMBERS])


async def stands_whole(stream: Stream, last: int) -> None:
    """Nobody has anything behind something newer, and everybody's last record is there, as change and as state."""
    changes = by_subject(read_change(one).change for one in await stream.messages(stream.changes))
    states = by_subject(read_state(one) for one in await stream.messages(stream.state))
    for found in (changes, states):
        assert found.keys() == {subject(number) for number in NUMBERS}
        assert {one: told for one, told in found.items() if told != sorted(told)} == {}
        assert {told[-1] for told in found.values()} == {last}
    assert all(set(told) == set(range(1, last + 1)) for told in changes.values())
    report = await verified(stream)
    assert (report.faults, report.repeated_behind, report.waiting) == ([], 0, 0)


@pytest.mark.timeout(180)
async def test_R30_what_a_relay_sent_before_it_was_stopped_comes_behind_nothing_newer(
    database: TestDatabase, door: tuple[KafkaServer, Proxy]
) -> None:
    broker, proxy = door
    stream = Stream(database, broker.bootstrap)
    await stream.prepare()
    async with a_relay(database, f"{HOST}:{proxy.port}") as one, a_relay(database, broker.bootstrap) as two:
        await hold_groups(database, {one: 4, two: 4})
        await says(stream, 1)
        await stream.drained()
        ours = await groups(database, one)
        waiting = sum(group_of(shard_of(subject_hash(subject(number)))) in ours for number in NUMBERS)

        proxy.hold([Way.ASKING])
        await says(stream, 2)

        async def is_under_way() -> bool:
            return proxy.bytes_under_way >= waiting * RECORD_BYTES

        await eventually(is_under_way)
        one.pause()
        seconds = await hold_groups(database, {one: 0, two: 8})
        _log.info("%d records under way, taken over after %.1f s", waiting, seconds)
        assert seconds < TAKEN_OVER_S_MAX
        await says(stream, 3)
        await stream.drained()

        assert proxy.bytes_under_way >= waiting * RECORD_BYTES

        await proxy.heal()

        async def has_arrived() -> bool:
            return proxy.bytes_under_way == 0

        await eventually(has_arrived)
        one.resume()
        await hold_groups(database, {one: 4, two: 4})
        await stands_whole(stream, 3)

        await says(stream, 4)
        await stream.drained()
        await stands_whole(stream, 4)
        for relay in (one, two):
            await relay.stop()


async def test_R30_a_relay_that_is_stopped_while_it_renews_its_leases_is_followed_in_time(
    database: TestDatabase, door: tuple[KafkaServer, Proxy]
) -> None:
    """Its transaction is open, and has locked them."""
    broker, _ = door
    stream = Stream(database, broker.bootstrap)
    await stream.prepare()
    connection = await database.connect()
    one, two = (a_relay(database, broker.bootstrap) for _ in range(2))
    async with one:
        await hold_groups(database, {one: 8})
        async with connection.transaction():
            await connection.execute("lock table relay_members in access exclusive mode")

            async def waits() -> bool:
                # Within a transaction the view is as it was when it was first looked at.
                await connection.execute("select pg_stat_clear_snapshot()")
                return bool(await connection.fetchval(WAITING))

            await eventually(waits)
            one.pause()
        async with two:
            seconds = await hold_groups(database, {two: 8})
            _log.info("followed after %.1f s", seconds)
            assert seconds < TAKEN_OVER_S_MAX
            one.resume()
            await hold_groups(database, {one: 4, two: 4})
            for relay in (one, two):
                await relay.stop()
    await connection.close()


@pytest.mark.timeout(soak(180, 1800))
async def test_R30_relays_are_stopped_and_go_on_at_any_moment_under_load(
    postgres: PostgresServer, door: tuple[KafkaServer, Proxy], tmp_path: Path
) -> None:
    broker, _ = door
    chance = random.Random(SEED)  # noqa: S311  moments, not a secret
    async with set_stage(postgres, broker.bootstrap, tmp_path) as stage:
        del stage.environment["CONSENT_RELAY_DATABASE_URL"]
        service = await stage.start()
        load = Load([stage.url], stage.token, await stage.persons(count=PERSONS), seed=SEED)
        relays = [a_relay(stage.database, broker.bootstrap) for _ in range(2)]
        async with relays[0], relays[1]:
            for time in range(TIMES):
                async with load.running(CLIENTS, pause_s=PAUSE_S):
                    await hold_groups(stage.database, dict.fromkeys(relays, 4))
                    await load.more(BETWEEN + chance.randrange(BETWEEN))
                    stopped, other = relays[:: 1 if time % 2 else -1]
                    stopped.pause()
                    if time % LONG_EVERY == 0:
                        seconds = await hold_groups(stage.database, {other: 8})
                        assert seconds < TAKEN_OVER_S_MAX
                        await load.more(BETWEEN)
                    else:
                        await asyncio.sleep(SHORT_S * chance.random())
                    stopped.resume()
                    await load.more(BETWEEN)
                _log.info("stopped %d of %d, %d decided", time + 1, TIMES, load.decided)
                await stage.holds(load)
            for relay in relays:
                await relay.stop()
        assert await service.process.stop() == 0
