"""Reading outside any group what a compacted topic holds, from its start to where it ends now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consent_client.ending import end, stop
from consent_client.errors import Unavailable

_FETCH_MS = 500
_CONNECT_S = 2.0


class Reading:
    """One topic, with these partitions."""

    def __init__(self, consumer: Any, topic: str, partitions: frozenset[int]) -> None:
        self._consumer = consumer
        self._topic = topic
        self.partitions = partitions

    async def messages(self, partitions: Collection[int]) -> AsyncGenerator[Any, None]:
        """Of each of these partitions in its order, up to where it ended when this began."""
        consumer = self._consumer
        places = [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        behind = [place for place in places if ends[place] > 0]
        while behind:
            for messages in (await consumer.getmany(*behind, timeout_ms=_FETCH_MS)).values():
                for message in messages:
                    yield message
            if consumer._fetcher.error_future.done():  # noqa: SLF001
                # A connection that is just reset may end aiokafka's fetching for good, and nobody is told.
                raise KafkaError("aiokafka fetches no more")
            # What was compacted away moves the position too.
            behind = [place for place in behind if await consumer.position(place) < ends[place]]


@asynccontextmanager
async def reading(options: Mapping[str, Any], topic: str) -> AsyncIterator[Reading]:
    """`options` are aiokafka's. Raises Unavailable where there is no such topic, KafkaError, OSError."""
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, auto_offset_reset="earliest")
    starting = asyncio.create_task(consumer.start())
    try:
        await asyncio.shield(starting)
        # All of them: asking for one by its name would let a broker make it.
        cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001
        partitions = cluster.partitions_for_topic(topic)
        if not partitions:
            raise Unavailable(f"{topic} is not there")
        yield Reading(consumer, topic, frozenset(partitions))
    finally:
        # Whole, also where whoever reads is cancelled meanwhile: what it leaves open nobody closes.
        await asyncio.shield(_close(consumer, starting))


async def _close(consumer: Any, starting: asyncio.Task[None]) -> None:
    # What is cut off in the middle of connecting aiokafka leaves open.
    await asyncio.wait({starting}, timeout=_CONNECT_S)
    await end(starting)
    await stop(consumer)
