"""The feed when Kafka goes away and comes back (R32)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consent_service.cli.run import cache_dir
from consent_service.domain.errors import Unavailable
from consent_service.embedded import KafkaServer
from consent_service.events.feed import follower
from tests.events.feeds import ANSETTR, Topic, blocks, change, read, reading
from tests.events.streams import eventually, subject


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[KafkaServer]:
    async with KafkaServer(tmp_path / "kafka", cache_dir=cache_dir()) as broker:
        yield broker


async def test_R32_streams_end_while_kafka_is_away_and_go_on_behind_their_last_id(
    broker: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "ANSWER_S", 1.0)
    monkeypatch.setattr(follower, "LOOK_S", 0.2)
    async with Topic(broker.bootstrap, "away", 3).open() as topic, topic.feed() as feed:
        async with reading(await feed.open(ANSETTR, None)) as parts:
            await anext(parts)
            await topic.publish([change(1, 1)])
            [event] = blocks(await anext(parts))
            await broker.kill()
            async with asyncio.timeout(5):
                async for _ in parts:
                    pass
        with pytest.raises(Unavailable, match="does not answer"):
            await feed.open(ANSETTR, event.id)
        await broker.restart()
        monkeypatch.undo()
        await topic.publish([change(1, 2)])

        async def is_back() -> bool:
            try:
                await feed.newest("ansettr")
            except Unavailable:
                return False
            return True

        await eventually(is_back)
        [again] = await read(await feed.open(ANSETTR, event.id), 1)
    assert again.key == (str(subject(1)), 2)


async def test_R32_a_stream_whose_reading_has_ended_by_a_fault_ends_too(kafka: KafkaServer) -> None:
    """aiokafka's own reading may end at an error that it does not know, and `getmany` says nothing."""
    async with Topic(kafka.bootstrap, "unread", 3).open() as topic, topic.feed() as feed:
        async with reading(await feed.open(ANSETTR, None)) as parts:
            await anext(parts)
            await topic.publish([change(1, 1)])
            [event] = blocks(await anext(parts))
            [following] = feed._followers.values()
            following.result()._consumer._fetcher.error_future.cancel()
            async with asyncio.timeout(5):
                async for _ in parts:
                    pass
        await topic.publish([change(1, 2)])
        [again] = await read(await feed.open(ANSETTR, event.id), 1)
    assert again.key == (str(subject(1)), 2)
