"""The feed when a restored ledger begins a new epoch, and when the epoch cannot be read (R31, R32)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from consent_service.domain.errors import NoLongerKept
from consent_service.embedded import KafkaServer
from consent_service.events.feed import follower
from tests.events.feeds import ANSETTR, Topic, blocks, change, read, reading

_prefixes = itertools.count(1)


@pytest.fixture
async def topic(kafka: KafkaServer) -> AsyncIterator[Topic]:
    """Three partitions under a prefix of this test's own."""
    async with Topic(kafka.bootstrap, f"feed-epochs-{next(_prefixes)}", 3).open() as made:
        yield made


async def test_R31_a_new_ledger_epoch_ends_streams_and_their_ids(topic: Topic) -> None:
    """Of what the ledger lost the changes say nothing: who reads on would believe it for ever."""
    async with topic.feed() as feed:
        old = await feed.newest("ansettr")
        await topic.publish([change(1, 1)])
        reader = await feed.open(ANSETTR, old)
        topic.ledger_epoch = 2
        async with asyncio.timeout(10), reading(reader) as parts:
            told = [event.id async for part in parts for event in blocks(part)]
        for place in [old, *told]:
            with pytest.raises(NoLongerKept, match="restored"):
                await feed.open(ANSETTR, place)
        resume = await feed.newest("ansettr")
        await topic.publish([change(1, 2, ledger_epoch=2)])
        [event] = await read(await feed.open(ANSETTR, resume), 1)

    assert told
    assert event.data["ledger_epoch"] == 2


async def test_R31_an_id_of_an_earlier_epoch_is_refused_at_once(topic: Topic) -> None:
    """Also by a process that followed the topic before the epoch began, and has not looked since."""
    async with topic.feed() as feed:
        old = await feed.newest("ansettr")
        topic.ledger_epoch = 2
        with pytest.raises(NoLongerKept):
            await feed.open(ANSETTR, old)
        assert await feed.newest("ansettr") != old


async def test_R32_an_open_stream_goes_on_without_the_database(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "LOOK_S", 0.02)
    async with topic.feed(heartbeat_s=0.4) as feed:
        reader = await feed.open(ANSETTR, await feed.newest("ansettr"))
        topic.ledger_epoch = None
        async with asyncio.timeout(10), reading(reader) as parts:
            for _ in range(3):
                await anext(parts)
            await topic.publish([change(1, 1)])
            while not any(event.data for event in blocks(await anext(parts))):
                pass
