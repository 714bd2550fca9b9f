"""What the lanes of a relay send through the uplink that they share (R30)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest

from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.events.publishing.kafka import Publisher, PublishingFailed
from consent_service.events.publishing.lane import partitions_of
from consent_service.events.publishing.uplink import Uplink
from consent_service.events.wire.messages import Message
from tests.events.streams import Stream, consumer, eventually, read_to_end


@asynccontextmanager
async def lanes(stream: Stream, *topics: str) -> AsyncIterator[tuple[Uplink, list[Publisher]]]:
    """A publisher a group, each under its own name, that found these topics."""
    uplink = Uplink(stream.bootstrap)
    named = [
        Publisher(uplink, name=f"{stream.prefix}-{group}", replication=1) for group in range(SHARD_GROUPS)
    ]
    try:
        await asyncio.gather(*(one.prepare(topics) for one in named[:1]))
        await asyncio.gather(*(one.prepare(topics) for one in named[1:]))
        yield uplink, named
    finally:
        await uplink.close()


def some(topic: str, group: int, turn: int, count: int) -> Iterator[Message]:
    """One on each partition of the group."""
    for partition in partitions_of(topic, group, count):
        yield Message(topic, b"%d" % group, b"%d" % turn, (), partition)


async def found(stream: Stream, topic: str) -> dict[tuple[int, bytes], list[int]]:
    """By partition and group, the turns in their order."""
    told: dict[tuple[int, bytes], list[int]] = {}
    async with consumer(stream.bootstrap) as reader:
        for message in await read_to_end(reader, topic):
            told.setdefault((message.partition, message.key), []).append(int(message.value))
    return told


async def test_R30_what_all_lanes_send_in_one_step_goes_in_as_few_requests_as_can_be(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[ProduceRequest] = []
    send = AIOKafkaClient.send

    async def seen(self: AIOKafkaClient, node: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            requests.append(request)
        return await send(self, node, request, **options)

    monkeypatch.setattr(AIOKafkaClient, "send", seen)
    async with lanes(stream, stream.changes) as (_, named):
        for turn in (1, 2, 3):
            sent = await asyncio.gather(
                *(one.send([*some(stream.changes, group, turn, 12)]) for group, one in enumerate(named))
            )
            assert [one.failure for one in sent] == [None] * SHARD_GROUPS
            if turn == 1:
                # Of partitions just made some have no leader yet, and are tried again.
                requests.clear()

    # Each of the twelve partitions is shared by two groups, and a request holds one batch a partition.
    assert len(requests) == 2 * 2
    told = await found(stream, stream.changes)
    wanted = {
        (partition, b"%d" % group)
        for group in range(SHARD_GROUPS)
        for partition in partitions_of(stream.changes, group, 12)
    }
    assert told.keys() == wanted
    assert all(turns == [1, 2, 3] for turns in told.values())


async def test_R30_groups_that_share_a_partition_each_get_theirs_through(stream: Stream) -> None:
    async with lanes(stream, stream.purposes) as (_, named):
        for turn in (1, 2):
            sent = await asyncio.gather(
                *(
                    one.send([Message(stream.purposes, b"%d" % group, b"%d" % turn, (), 0)])
                    for group, one in enumerate(named)
                )
            )
            assert [one.failure for one in sent] == [None] * SHARD_GROUPS

    assert await found(stream, stream.purposes) == {
        (0, b"%d" % group): [1, 2] for group in range(SHARD_GROUPS)
    }


async def test_R30_a_lane_that_is_refused_fails_alone_in_the_request_of_all(stream: Stream) -> None:
    async with lanes(stream, stream.changes) as (_, named), lanes(stream, stream.changes) as (_, others):
        # Somebody else has claimed each name; group 0 alone has also spoken.
        for one in others:
            assert one.connected
        first = [*some(stream.changes, 0, 1, 12)]
        assert (await others[0].send(first)).failure is None

        sent = await asyncio.gather(
            *(one.send([*some(stream.changes, group, 2, 12)]) for group, one in enumerate(named))
        )

        assert [one.failure is None for one in sent] == [False] + [True] * 7
        assert [one.connected for one in named] == [False] + [True] * 7


async def test_what_is_under_way_when_the_uplink_is_given_up_fails_and_the_next_word_connects_anew(
    stream: Stream,
) -> None:
    async with lanes(stream, stream.changes) as (uplink, named):
        message = [*some(stream.changes, 0, 1, 12)]
        sending = asyncio.create_task(named[0].send(message))
        await asyncio.sleep(0)
        await uplink.close()

        sent = await sending
        assert isinstance(sent.failure, KafkaError)
        assert not named[0].connected
        with pytest.raises(PublishingFailed):
            await named[0].send(message)

        await named[0].prepare({stream.changes})
        assert (await named[0].send(message)).failure is None

        async def nothing_is_left() -> bool:
            return not uplink._requests

        await eventually(nothing_is_left)
