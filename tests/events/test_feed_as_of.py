"""As of when a reader of the feed has been told everything: by the relays' heartbeats, and never too early (R30, R33)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.domain.values import format_time
from consent_service.embedded import KafkaServer
from tests.builders import day
from tests.events.feeds import ANSETTR, Topic, blocks, change, reading

_prefixes = itertools.count(1)


@pytest.fixture
async def topic(kafka: KafkaServer) -> AsyncIterator[Topic]:
    """Three partitions: all groups lie on each of them."""
    async with Topic(kafka.bootstrap, f"feed-as-of-{next(_prefixes)}", 3).open() as made:
        yield made


def as_of(text: str) -> str | None:
    """What a sign of life says; None where it says nothing."""
    return next(
        (line.removeprefix(": as of ") for line in text.split("\n") if line.startswith(": as of ")), None
    )


async def signs_until(parts: AsyncIterator[str], wanted: str | None, count: int = 1) -> list[str | None]:
    """What the signs of life say from now on, until one says what is wanted so often."""
    found: list[str | None] = []
    async with asyncio.timeout(10):
        while found.count(wanted) < count:
            text = await anext(parts)
            if text.startswith(": heartbeat"):
                found.append(as_of(text))
    return found


async def test_R30_a_sign_of_life_says_as_of_when_all_is_told_once_every_group_has_spoken(
    topic: Topic,
) -> None:
    oldest = format_time(day(1) - timedelta(seconds=3))
    async with topic.feed(heartbeat_s=0.2) as feed, reading(await feed.open(ANSETTR, None)) as parts:
        assert as_of(await anext(parts)) is None
        for group in range(SHARD_GROUPS - 1):
            await topic.beat(group)
        assert set(await signs_until(parts, None, 4)) == {None}

        await topic.beat(SHARD_GROUPS - 1, waits_s=3.0)
        await signs_until(parts, oldest)
        # One group that is heard no more holds back all.
        for group in range(SHARD_GROUPS - 1):
            await topic.beat(group, at=day(2))
        assert set(await signs_until(parts, oldest, 4)) == {oldest}
        await topic.beat(SHARD_GROUPS - 1, at=day(2))
        await signs_until(parts, format_time(day(2)))


async def test_R33_while_a_reader_is_told_what_it_missed_nothing_is_called_up_to_date(topic: Topic) -> None:
    missed = [change(number, sequence) for sequence in range(1, 41) for number in range(6)]
    async with topic.feed(window_rows_max=30, heartbeat_s=0.2) as feed:
        beginning = await feed.newest("ansettr")
        await topic.publish(missed)
        for group in range(SHARD_GROUPS):
            await topic.beat(group)
        seen = 0
        async with reading(await feed.open(ANSETTR, beginning)) as parts:
            async with asyncio.timeout(10):
                while True:
                    text = await anext(parts)
                    seen += sum(block.data is not None for block in blocks(text))
                    if as_of(text) is not None:
                        break

    assert seen == len(missed)


async def test_R33_who_is_never_without_changes_is_told_all_the_same(topic: Topic) -> None:
    """Signs of life come beside what happens, not only where nothing does."""
    for group in range(SHARD_GROUPS):
        await topic.beat(group)
    async with topic.feed(heartbeat_s=0.4) as feed, reading(await feed.open(ANSETTR, None)) as parts:
        await anext(parts)
        stop = asyncio.Event()

        async def go_on() -> None:
            sequence = 0
            while not stop.is_set():
                sequence += 1
                await topic.publish([change(number, sequence) for number in range(3)])

        going = asyncio.create_task(go_on())
        told: list[str | None] = []
        async with asyncio.timeout(10):
            while told.count(format_time(day(1))) < 3:
                text = await anext(parts)
                if text.startswith(": heartbeat"):
                    told.append(as_of(text))
        stop.set()
        await going
