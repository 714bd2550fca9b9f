"""Following `.changes.v1` as a Kafka consumer: decoded changes, one after the other, from a chosen position on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from consent_service.events.consume import ReceivedChange, read_change
from consent_service.events.heartbeats import is_heartbeat

#: How long connecting and joining the group may take.
CONNECT_TIMEOUT_S = 10.0
#: Between two looks for a topic that the first publication will make.
_LOOK_AGAIN_S = 0.1
#: How long the broker holds a request when there is nothing to tell; what comes meanwhile is sent at once.
_FETCH_WAIT_MS = 500


class StreamAway(Exception):
    """Kafka does not answer, or refuses; the cause says more."""


class Position(Enum):
    """Where to begin: with all that Kafka still keeps, or with what is published from now on."""

    BEGINNING = "beginning"
    END = "end"


@asynccontextmanager
async def follow(
    bootstrap: str, topic: str, *, group: str, position: Position, client_id: str = "consent-follower"
) -> AsyncIterator[AsyncIterator[ReceivedChange]]:
    """The changes in the order of their partitions, so in order per subject; nothing is committed.

    When the block begins the position is taken: what is published afterwards is read, also where the topic is made
    only then. Repetitions are possible (R31): drop what is not above the last sequence known of the subject. The
    iterator does not end; it raises NotUnderstood at a message that it does not understand, and StreamAway. Kafka
    being away for a while is waited out. Raises StreamAway also where no connection can be had.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        group_id=group,
        enable_auto_commit=False,
        # For partitions that appear after the position was taken: all in them is new.
        auto_offset_reset="earliest",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
    )
    try:
        reading = _Reading(consumer, topic)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await consumer.start()
                if topic in await consumer.topics():
                    await reading.join(position)
        except (KafkaError, OSError, TimeoutError) as error:
            raise StreamAway(f"Kafka at {bootstrap} does not answer") from error
        yield reading.changes()
    finally:
        await consumer.stop()


class _Reading(ConsumerRebalanceListener):  # type: ignore[misc]
    """One consumer's place in one topic, kept when the group is joined anew."""

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic
        self._joined = asyncio.Event()
        self._next: dict[Any, int] = {}

    async def join(self, position: Position) -> None:
        self._consumer.subscribe([self._topic], listener=self)
        await self._joined.wait()
        if position is Position.END:
            await self._consumer.seek_to_end()
        for partition in self._consumer.assignment():
            self._next[partition] = await self._consumer.position(partition)

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Nothing to hand over: nothing is committed."""

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        for partition in assigned:
            if partition in self._next:
                self._consumer.seek(partition, self._next[partition])
        self._joined.set()

    async def changes(self) -> AsyncIterator[ReceivedChange]:
        try:
            while not self._joined.is_set():
                if self._topic in await self._consumer.topics():
                    await self.join(Position.BEGINNING)
                else:
                    await asyncio.sleep(_LOOK_AGAIN_S)
            while True:
                message = await self._consumer.getone()
                received = None if is_heartbeat(message) else read_change(message)
                self._next[TopicPartition(message.topic, message.partition)] = message.offset + 1
                if received is not None:
                    yield received
        except (KafkaError, OSError) as error:
            raise StreamAway("reading from Kafka failed") from error
