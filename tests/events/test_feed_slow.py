"""Readers of the past that come no nearer to the present: they are cut off as slow ones at the end are (R32)."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consent_service.embedded import KafkaServer
from consent_service.events.feed import reader as reading_module
from consent_service.events.feed.feed import Feed
from consent_service.metrics import Metrics
from tests.events.feeds import ANSETTR, Topic, blocks, change, reading
from tests.events.streams import PATIENCE_S, eventually

MANY = 300
_prefixes = itertools.count(1)


class Stage:
    """A topic with a past, a feed with room for one that reads it, and a clock that the test moves."""

    def __init__(self, topic: Topic, feed: Feed, metrics: Metrics) -> None:
        self.topic = topic
        self.feed = feed
        self.metrics = metrics
        self.published = 0
        self.passed_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.passed_s

    async def publish(self, rows: int) -> None:
        """Return once the feed has them."""
        first = self.published + 1
        self.published += rows
        await self.topic.publish([change(1, sequence) for sequence in range(first, self.published + 1)])
        await eventually(self._has_all)

    async def _has_all(self) -> bool:
        return (await self.feed._following(self.topic.name, 1)).window.end >= self.published

    async def read(self, beginning: str, *, published_a_row: int) -> int:
        """How many of the past are read, where a minute passes with each part, until the reader ends or is there.

        With each that it reads as many are published anew.
        """
        found = 0
        reader = await self.feed.open(ANSETTR, beginning)
        async with asyncio.timeout(PATIENCE_S), reading(reader) as parts:
            async for text in parts:
                events = sum(event.data is not None for event in blocks(text))
                found += events
                if not reader.catches_up:
                    break
                if events:
                    await self.publish(events * published_a_row)
                    self.passed_s += reading_module.GROUND_S
        return found

    @property
    def cut_off(self) -> float:
        return float(self.metrics.feed_cut_off.labels("slow")._value.get())


@asynccontextmanager
async def staged(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch, ground_rows: int
) -> AsyncIterator[Stage]:
    metrics = Metrics()
    topic = Topic(kafka.bootstrap, f"slow-{next(_prefixes)}", 1)
    async with topic.open(), topic.feed(metrics, window_rows_max=10, catch_ups_max=1) as feed:
        stage = Stage(topic, feed, metrics)
        monkeypatch.setattr(reading_module, "_STEP_RECORDS_MAX", 20)
        monkeypatch.setattr(reading_module, "GROUND_ROWS", ground_rows)
        monkeypatch.setattr(reading_module, "time", stage)
        yield stage


@pytest.mark.parametrize(
    ("ground_rows", "published_a_row"), [(1, 1), (50, 0)], ids=["no ground", "too little ground"]
)
async def test_R32_a_reader_of_the_past_that_gains_no_ground_is_cut_off_and_frees_its_place(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch, ground_rows: int, published_a_row: int
) -> None:
    async with staged(kafka, monkeypatch, ground_rows) as stage:
        beginning = await stage.feed.newest("ansettr")
        await stage.publish(MANY)
        assert 0 < await stage.read(beginning, published_a_row=published_a_row) < MANY
        assert stage.cut_off == 1
        await (await stage.feed.open(ANSETTR, beginning)).close()


async def test_R32_a_reader_of_the_past_that_gains_ground_is_never_cut_off(
    kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(kafka, monkeypatch, 1) as stage:
        beginning = await stage.feed.newest("ansettr")
        await stage.publish(MANY)
        assert await stage.read(beginning, published_a_row=0) >= MANY - 10
        assert stage.cut_off == 0
