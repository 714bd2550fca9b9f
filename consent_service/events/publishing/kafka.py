"""Handing messages to Kafka: topics, and an idempotent producer that is thrown away at the first doubt.

Order is kept because each partition gets one batch at a time, all of it acknowledged or none: nothing of a
subject is under way while something earlier of it could still fail.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from consent_service.events.publishing.administration import administering, make_topics, missing_topics
from consent_service.events.wire.messages import Message
from consent_service.events.wire.topic_ids import read_topic_ids

#: How long connecting, with its topics, may take.
CONNECT_TIMEOUT_S = 5.0
#: How long a batch may wait for its acknowledgements. Then its fate is unknown, and it is sent again.
SEND_TIMEOUT_S = 4.0

_BATCH_BYTES_MAX = 512 * 1024
_CLOSE_TIMEOUT_S = 2.0


class PublishingFailed(Exception):
    """Kafka is away, full, slow or refuses; the cause says more. Which messages arrived is not known."""


class TopicsMissing(PublishingFailed):
    """These topics are not there, or not any more."""


class Sent(msgspec.Struct, frozen=True):
    """The places, in the list sent, of the messages that Kafka acknowledged; and what kept the others."""

    acknowledged: tuple[int, ...]
    failure: Exception | None


class Kafka(msgspec.Struct, frozen=True):
    """Where Kafka is, and on how many brokers each topic lies."""

    bootstrap: str
    replication: int = 1

    def claiming(self, name: str) -> Publisher:
        """A publisher whose producers take this name over, and which makes no topics."""
        return Publisher(self.bootstrap, fence=name, makes_topics=False)


class Publisher:
    """One producer at a time, made when it is needed. Not for several tasks at once.

    With `fence`, each producer it makes takes over that name: on a partition to which it has written, the broker
    refuses whatever an earlier producer of the same name still sends (docs/decisions/0008-fencing.md).
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        replication: int = 1,
        client_id: str = "consent-relay",
        fence: str | None = None,
        makes_topics: bool = True,
    ) -> None:
        self._bootstrap = bootstrap
        self._replication = replication
        self._client_id = client_id
        self._fence = fence
        self._makes_topics = makes_topics
        self._producer: Any = None
        self._topics: set[str] = set()

    @property
    def connected(self) -> bool:
        """Whether there is a producer; one at doubt is gone, and whoever was fenced by it may speak again."""
        return self._producer is not None

    async def prepare(self, topics: Collection[str]) -> None:
        """Connect, and see to the topics. Raises PublishingFailed; TopicsMissing where it makes none itself."""
        if self._producer is not None and self._topics.issuperset(topics):
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if self._producer is None:
                    self._producer = self._new_producer()
                    await self._producer.start()
                    # It has its number and epoch by its name now, and needs no transactions: they cost several times
                    # as much, and all that is wanted of them is that an older epoch is refused.
                    self._producer._txn_manager.transactional_id = None  # noqa: SLF001
                await self._find(set(topics) - self._topics)
                for topic in topics:
                    await self._producer.partitions_for(topic)
                self._topics.update(topics)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.discard()
            raise PublishingFailed("Kafka does not answer") from error
        except BaseException:
            await self.discard()
            raise

    async def topic_ids(self, topics: Collection[str]) -> dict[str, UUID]:
        """In which life each of these topics is. Raises PublishingFailed, TopicsMissing among them."""
        if self._producer is None:
            raise PublishingFailed("not connected")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await read_topic_ids(self._producer.client, topics)
        except UnknownTopicOrPartitionError as error:
            await self.discard()
            raise TopicsMissing(str(error)) from error
        except (KafkaError, OSError, TimeoutError) as error:
            await self.discard()
            raise PublishingFailed("Kafka does not tell its topics") from error

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has that was prepared."""
        return len(await self._producer.partitions_for(topic))

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Send to topics that were prepared, and wait for every acknowledgement, at most SEND_TIMEOUT_S.

        Of each partition a leading part of its messages is acknowledged, in order, or none. After a failure
        nothing is under way any more. Raises PublishingFailed where nothing could be sent at all.
        """
        if self._producer is None:
            raise PublishingFailed("not connected")
        waiting: dict[asyncio.Future[Any], list[int]] = {}
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for (topic, partition), (batch, places) in (await self._fill(messages)).items():
                    waiting[await self._producer.send_batch(batch, topic, partition=partition)] = places
                await asyncio.wait(waiting)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.discard()
            return _outcome(waiting, error)
        except BaseException:
            await self.discard()
            raise
        sent = _outcome(waiting, None)
        if sent.failure is not None:
            await self.discard()
        return sent

    async def _fill(self, messages: Sequence[Message]) -> dict[tuple[str, int], tuple[Any, list[int]]]:
        """One batch a partition, in the order given; what does not fit is left out, with all behind it."""
        batches: dict[tuple[str, int], tuple[Any, list[int]]] = {}
        counts = {
            topic: len(await self._producer.partitions_for(topic))
            for topic in {message.topic for message in messages}
        }
        full: set[tuple[str, int]] = set()
        for place, message in enumerate(messages):
            where = (message.topic, message.partition(counts[message.topic]))
            if where not in batches:
                batches[where] = (self._producer.create_batch(), [])
            batch, places = batches[where]
            fits = where not in full and batch.append(
                timestamp=None, key=message.key, value=message.value, headers=list(message.headers)
            )
            if fits:
                places.append(place)
            else:
                full.add(where)
        for batch, _ in batches.values():
            batch.close()
        return batches

    async def close(self) -> None:
        """Close the connections. Nothing is under way between two calls of `send`, so nothing is lost."""
        await self.discard()

    async def discard(self) -> None:
        """End the producer for good, with whatever it still holds.

        aiokafka's own `stop` waits for what is under way, for ever if the broker stays away; and left alone,
        its sender would deliver that some time later, behind what a newer producer has sent by then.
        """
        producer, self._producer = self._producer, None
        self._topics.clear()
        if producer is None:
            return
        # It offers no other way to end it.
        sender = producer._sender.sender_task  # noqa: SLF001
        while sender is not None and not sender.done():
            # It answers the first cancellation by waiting for the requests under way; each next one ends one.
            sender.cancel()
            await asyncio.wait({sender}, timeout=0.01)
        held = producer._message_accumulator  # noqa: SLF001
        for batch in [*chain.from_iterable(held._batches.values()), *held._pending_batches]:  # noqa: SLF001
            # It takes itself out of these when it ends; one that was to be tried again is in them no more.
            held._pending_batches.add(batch)  # noqa: SLF001
            batch.future.cancel()
            batch._drain_waiter.cancel()  # noqa: SLF001
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await producer.stop()

    def _new_producer(self) -> Any:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            transactional_id=self._fence,
            linger_ms=0,
            max_batch_size=_BATCH_BYTES_MAX,
            request_timeout_ms=int(SEND_TIMEOUT_S * 1000),
        )

    async def _find(self, topics: Collection[str]) -> None:
        """Raises TopicsMissing, or makes what is missing."""
        if not topics:
            return
        async with administering(self._bootstrap) as admin:
            missing = await missing_topics(admin, topics)
            if missing and not self._makes_topics:
                raise TopicsMissing(", ".join(missing))
            if missing:
                await make_topics(admin, missing, self._replication)


def _outcome(waiting: dict[asyncio.Future[Any], list[int]], failure: Exception | None) -> Sent:
    acknowledged: list[int] = []
    for delivery, places in waiting.items():
        if delivery.cancelled() or not delivery.done():
            continue
        error = delivery.exception()
        if error is None:
            acknowledged += places
        elif isinstance(error, Exception):
            failure = failure or error
    return Sent(tuple(sorted(acknowledged)), failure)
