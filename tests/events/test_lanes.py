"""Relays that share the groups of shards, take over from each other, and never speak behind each other (R30)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from aiokafka.errors import ProducerFenced

from consent_service.domain.catalogue import PURPOSES_SHARD
from consent_service.domain.changes import Heartbeat
from consent_service.domain.errors import Unavailable
from consent_service.domain.partitions import SHARD_GROUPS, group_of, partition_of, shard_of, subject_hash
from consent_service.events.publishing.groups import LEASE_S
from consent_service.events.publishing.lane import Lane, partitions_of
from consent_service.events.wire.consume import read_change
from consent_service.events.wire.heartbeats import is_heartbeat, read_heartbeat
from consent_service.events.wire.messages import Message
from consent_service.storage import relay_leases
from consent_service.storage.relay_leases import take_leases
from tests.events.streams import (
    Stream,
    a_record,
    by_subject,
    consumer,
    eventually,
    opened,
    read_to_end,
    subject,
)

SHARES = "select holder, count(*)::int from relay_leases where holder is not null group by holder"
GROUP = 3


def a_heartbeat() -> Heartbeat:
    age = timedelta(seconds=1.5)
    return Heartbeat(shard_group=GROUP, at=datetime.now(UTC), oldest_unpublished=age, ledger_epoch=1)


async def shares(stream: Stream) -> dict[str, int]:
    connection = await stream.database.connect()
    try:
        return {row[0]: row[1] for row in await connection.fetch(SHARES)}
    finally:
        await connection.close()


def late(*topics: str) -> Iterator[Message]:
    """A message on every partition of the group."""
    for topic in topics:
        for partition in partitions_of(topic, GROUP, 12):
            yield Message(topic, b"late", b"late", (), partition)


async def test_R30_who_was_overtaken_is_refused_on_every_partition_of_the_group(stream: Stream) -> None:
    """Though it believes that it holds the group, and whatever the database says."""
    topics = (stream.changes, stream.state)
    before, after = stream.publisher("fence"), stream.publisher("fence")
    old, new = Lane(GROUP, before), Lane(GROUP, after)
    try:
        await old.speak(topics, a_heartbeat())
        assert (await before.send([*late(stream.changes)])).failure is None
        await new.speak(topics, a_heartbeat())

        refused = await before.send([*late(*topics)])

        assert refused.acknowledged == ()
        assert isinstance(refused.failure, ProducerFenced)
        assert not old.is_claimed
        assert (await after.send([*late(stream.state)])).failure is None
    finally:
        await before.close()
        await after.close()

    assert len(await stream.messages(stream.changes)) == len([*late(stream.changes)]) == 3
    assert len(await stream.messages(stream.state)) == 3


def test_R30_every_subject_of_a_group_lies_in_the_partitions_on_which_the_group_speaks() -> None:
    for count in (1, 3, 8, 12, 16):
        for number in range(2000):
            hashed = subject_hash(subject(number))
            group = group_of(shard_of(hashed))
            assert partition_of(hashed, count) in partitions_of("consent.changes.v1", group, count)
    assert partitions_of("consent.state.v1", 5, 12) == [1, 5, 9]
    speakers = [group for group in range(SHARD_GROUPS) if partitions_of("consent.purposes.v1", group, 1)]
    assert speakers == [group_of(PURPOSES_SHARD)]


async def test_R30_relays_share_the_groups_and_hand_them_over_without_breaking_an_order(
    stream: Stream,
) -> None:
    written = 0

    async def write() -> None:
        nonlocal written
        for _ in range(5):
            written += 1
            await stream.append([a_record(number, written) for number in range(40)])

    async def shared(expected: dict[str, int]) -> None:
        async def they_are() -> bool:
            await write()
            return await shares(stream) == expected

        await eventually(they_are)

    async with stream.relay("one"):
        await shared({"one": 8})
        async with stream.relay("two"):
            await shared({"one": 4, "two": 4})
            async with stream.relay("three"):
                await shared({"one": 3, "two": 3, "three": 2})
            await shared({"one": 4, "two": 4})
        await shared({"one": 8})
        await stream.drained()

    found = by_subject(read_change(message).change for message in await stream.messages(stream.changes))
    assert found == {subject(number): list(range(1, written + 1)) for number in range(40)}
    assert await shares(stream) == {}


async def test_R30_a_group_with_something_under_way_is_not_given_back(stream: Stream) -> None:
    async with opened(stream.database, "consent_relay") as pool, pool.session() as connection:

        async def take(holder: str, *busy: int) -> list[int]:
            _, held = await take_leases(connection, holder, 9, busy=busy)
            return sorted(held)

        assert await take("one") == list(range(8))
        assert await take("two") == []
        assert await take("one", 1, 2, 3, 5, 6, 7) == [1, 2, 3, 5, 6, 7]
        assert await take("two") == [0, 4]
        assert await take("one", 7) == [1, 2, 3, 7]
        assert await take("two") == [0, 4, 5, 6]


async def test_R30_every_partition_has_heartbeats_that_tell_how_long_the_oldest_event_waits(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a group that is published nothing waits; of one that stands still the age grows."""
    for name in ("HEARTBEAT_S", "LOOK_S"):
        monkeypatch.setattr(f"consent_service.events.publishing.relay.{name}", 0.2)
    stuck = group_of(shard_of(subject_hash(subject(1))))
    await stream.append([a_record(1, 1)])
    # What follows a row that cannot be read waits.
    await stream.run(
        "update outbox set sequence = 9, staged_at = staged_at - interval '1 hour' where kind = 'record'"
    )

    async def spoken() -> dict[tuple[str, int, int], list[float]]:
        found: dict[tuple[str, int, int], list[float]] = {}
        async with consumer(stream.bootstrap) as reader:
            for topic in (stream.changes, stream.state, stream.purposes):
                for message in await read_to_end(reader, topic):
                    if topic == stream.purposes and not is_heartbeat(message):
                        continue
                    assert is_heartbeat(message)
                    beat = read_heartbeat(message)
                    assert message.key == b"heartbeat/%d" % beat.shard_group
                    where = (topic, message.partition, beat.shard_group)
                    found.setdefault(where, []).append(beat.oldest_unpublished.total_seconds())
        return found

    async def thrice_each() -> bool:
        found = await spoken()
        return len(found) == 24 + 24 + 1 and all(len(ages) >= 3 for ages in found.values())

    async with stream.relay():
        await eventually(thrice_each)
        found = await spoken()
        async with consumer(stream.bootstrap) as reader:
            # There recipients speak.
            assert await read_to_end(reader, stream.prefix + ".acks.v1") == []

    for (_, partition, group), ages in found.items():
        assert partition % 4 == group % 4 or partition == 0
        # Before it knows what its topics lack, a lane says that nothing is up to date.
        assert ages[0] > 50 * 365 * 86_400
        if group == stuck:
            assert ages[1:] == sorted(ages[1:])
            assert 3600 < ages[-1] < 2 * 3600
        else:
            assert max(ages[1:]) < 60


async def test_R30_a_relay_that_stands_still_while_it_prepares_a_statement_keeps_no_group_locked(
    stream: Stream,
) -> None:
    """For the server its session is not idle then: it waits for the statement's second half."""
    frozen = await asyncpg.connect(stream.database.url("consent_relay"))
    await frozen.transaction().start()
    await frozen.execute(relay_leases._SET)
    await frozen.fetch(relay_leases._LOCK, 9)
    await frozen.prepare("select 2")
    async with opened(stream.database, "consent_relay") as pool:

        async def are_taken() -> bool:
            # Who waits may be given up as well, and asks again.
            with contextlib.suppress(Unavailable):
                async with pool.session() as other:
                    _, taken = await take_leases(other, "other", 9)
                    return len(taken) == SHARD_GROUPS
            return False

        await eventually(are_taken, LEASE_S)
    frozen.terminate()
