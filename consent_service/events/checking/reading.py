"""Reading a topic from its start to where it ended a moment ago, outside any consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consent_service.events.publishing.administration import administering, kept_otherwise
from consent_service.events.wire.topic_ids import read_topic_ids

#: How long connecting may take.
CONNECT_TIMEOUT_S = 10.0
#: So long may nothing come although there is something to read.
SILENCE_S = 30.0
_POLL_MS = 500
_MESSAGES_MAX = 2000


class StreamAway(Exception):
    """Kafka does not answer, or refuses; the cause says more."""


class Extent(msgspec.Struct, frozen=True):
    """The offsets that a partition holds: from `start` up to, without, `end`. Below `start` nothing is kept."""

    start: int
    end: int


class TopicReader:
    """Reads one topic at a time. Every method raises StreamAway where Kafka does not answer."""

    def __init__(self, bootstrap: str, consumer: Any) -> None:
        self._bootstrap = bootstrap
        self._consumer = consumer

    async def partitions(self) -> dict[str, int]:
        """How many partitions each topic has that exists."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S), administering(self._bootstrap) as admin:
                # All of them: asking for one by its name would let a broker make it.
                return {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics()}
        except (KafkaError, OSError, TimeoutError) as error:
            raise StreamAway(f"Kafka at {self._bootstrap} does not answer") from error

    async def kept_otherwise(self, topics: Collection[str]) -> dict[str, str]:
        """Of these topics, which must exist, those with settings that are not the contract's, and which."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S), administering(self._bootstrap) as admin:
                return await kept_otherwise(admin, topics)
        except (KafkaError, OSError, TimeoutError) as error:
            raise StreamAway(f"Kafka at {self._bootstrap} does not answer") from error

    async def topic_ids(self, topics: Collection[str]) -> dict[str, UUID]:
        """In which life each of these topics is; they must exist."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await read_topic_ids(self._consumer._client, topics)  # noqa: SLF001
        except (KafkaError, OSError, TimeoutError) as error:
            raise StreamAway(f"Kafka at {self._bootstrap} does not answer") from error

    async def extents(self, topic: str, partitions: Iterable[int]) -> dict[int, Extent]:
        """What each of these partitions holds at this moment."""
        places = [TopicPartition(topic, partition) for partition in partitions]
        if not places:
            return {}
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                starts = await self._consumer.beginning_offsets(places)
                ends = await self._consumer.end_offsets(places)
        except (KafkaError, OSError, TimeoutError) as error:
            raise StreamAway(f"{topic} cannot be read") from error
        return {place.partition: Extent(starts[place], ends[place]) for place in places}

    async def read(self, topic: str, extents: Mapping[int, Extent]) -> AsyncIterator[list[Any]]:
        """The messages in those extents, a list of a few thousand at a time, in order within a partition."""
        ends = {
            TopicPartition(topic, partition): extent.end
            for partition, extent in extents.items()
            if extent.start < extent.end
        }
        if not ends:
            return
        try:
            self._consumer.assign(list(ends))
            for place in ends:
                self._consumer.seek(place, extents[place.partition].start)
            while ends:
                yield await self._next(ends)
        except (KafkaError, OSError, TimeoutError) as error:
            raise StreamAway(f"{topic} cannot be read") from error

    async def _next(self, ends: dict[Any, int]) -> list[Any]:
        """What comes next of the partitions in `ends`; those that were read to their end leave it."""
        async with asyncio.timeout(SILENCE_S):
            while True:
                found = await self._consumer.getmany(*ends, timeout_ms=_POLL_MS, max_records=_MESSAGES_MAX)
                messages = [
                    message
                    for place, batch in found.items()
                    for message in batch
                    if message.offset < ends[place]
                ]
                for place in list(ends):
                    # What was compacted away, or was no message, moves the position all the same.
                    if await self._consumer.position(place) >= ends[place]:
                        self._consumer.pause(place)
                        del ends[place]
                if messages or not ends:
                    return messages


@asynccontextmanager
async def open_reader(bootstrap: str, *, client_id: str) -> AsyncIterator[TopicReader]:
    """A connection to Kafka while the block runs. Raises StreamAway."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        # It answers the first question about a topic after a wait of this length, while it learns who leads it.
        retry_backoff_ms=20,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    try:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await consumer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise StreamAway(f"Kafka at {bootstrap} does not answer") from error
        yield TopicReader(bootstrap, consumer)
    finally:
        await consumer.stop()
