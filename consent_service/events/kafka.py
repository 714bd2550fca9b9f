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

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from consent_service.events.messages import Message
from consent_service.events.topics import PARTITIONS, SETTINGS, kind_of

#: How long connecting, with its topics, may take.
CONNECT_TIMEOUT_S = 5.0
#: How long a batch may wait for its acknowledgements. Then its fate is unknown, and it is sent again.
SEND_TIMEOUT_S = 4.0

_BATCH_BYTES_MAX = 512 * 1024
_CLOSE_TIMEOUT_S = 2.0


class PublishingFailed(Exception):
    """Kafka is away, full, slow or refuses; the cause says more. Which messages arrived is not known."""


class Sent(msgspec.Struct, frozen=True):
    """The places, in the list sent, of the messages that Kafka acknowledged; and what kept the others."""

    acknowledged: tuple[int, ...]
    failure: Exception | None


class Publisher:
    """One producer at a time, made when it is needed. Not for several tasks at once."""

    def __init__(self, bootstrap: str, *, replication: int = 1, client_id: str = "consent-relay") -> None:
        self._bootstrap = bootstrap
        self._replication = replication
        self._client_id = client_id
        self._producer: Any = None
        self._topics: set[str] = set()

    async def prepare(self, topics: Collection[str]) -> None:
        """Connect, and make those of the topics that do not exist. Raises PublishingFailed."""
        if self._producer is not None and self._topics.issuperset(topics):
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if self._producer is None:
                    self._producer = self._new_producer()
                    await self._producer.start()
                await self._make_topics(set(topics) - self._topics)
                for topic in topics:
                    await self._producer.partitions_for(topic)
                self._topics.update(topics)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.discard()
            raise PublishingFailed("Kafka does not answer") from error
        except BaseException:
            await self.discard()
            raise

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
            linger_ms=0,
            max_batch_size=_BATCH_BYTES_MAX,
            request_timeout_ms=int(SEND_TIMEOUT_S * 1000),
        )

    async def _make_topics(self, topics: Collection[str]) -> None:
        if not topics:
            return
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, client_id=self._client_id)
        try:
            await admin.start()
            # Asking for all of them by no name never lets a broker make one by itself.
            missing = sorted(set(topics) - set(await admin.list_topics()))
            if missing:
                answer = await admin.create_topics([self._new_topic(topic) for topic in missing])
                _check_created(answer)
        finally:
            await admin.close()

    def _new_topic(self, topic: str) -> Any:
        kind = kind_of(topic)
        settings = {**SETTINGS[kind], "min.insync.replicas": str(max(1, self._replication - 1))}
        return NewTopic(topic, PARTITIONS[kind], self._replication, topic_configs=settings)


def _check_created(answer: Any) -> None:
    """Raises the KafkaError of the first topic that was not made; another relay may have made it just now."""
    for topic, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(topic)


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
