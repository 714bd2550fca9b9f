"""Handing messages to Kafka, each batch under a number and epoch that are given up at the first doubt.

Order is kept because each partition gets one batch at a time, all of it acknowledged or none: nothing of a
subject is under way while something earlier of it could still fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from consent_service.events.publishing.administration import administering, make_topics, missing_topics
from consent_service.events.publishing.uplink import SEND_TIMEOUT_S, Claim, Uplink
from consent_service.events.wire.messages import Message

#: How long connecting, with its topics, may take.
CONNECT_TIMEOUT_S = 5.0

_BATCH_BYTES_MAX = 512 * 1024
_MAGIC = 2
_UNCOMPRESSED = 0
_SEQUENCES = 1 << 31

_Batches = dict[tuple[str, int], tuple[Any, list[int]]]


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

    def publisher(self, client_id: str = "consent-relay") -> Publisher:
        """One with an uplink to itself, which makes missing topics."""
        return Publisher(Uplink(self.bootstrap, client_id=client_id), replication=self.replication)


class Publisher:
    """One claim at a time, made when it is needed. Not for several tasks at once.

    With a `name`, which one producer at a time may use, each claim shuts out the one before: on a partition to which
    it has written, the broker refuses whatever an earlier one still sends (docs/decisions/0008-fencing.md). Without
    one it has the uplink to itself, and cuts it at a doubt. With `replication` it makes missing topics.
    """

    def __init__(self, uplink: Uplink, *, name: str | None = None, replication: int | None = None) -> None:
        self._uplink = uplink
        self._name = name
        self._replication = replication
        self._claim: Claim | None = None
        self._topics: set[str] = set()
        self._sequences: dict[tuple[str, int], int] = {}

    @property
    def connected(self) -> bool:
        """Whether there is a claim; one at doubt is gone, and whoever was fenced by it may speak again."""
        return self._claim is not None

    async def prepare(self, topics: Collection[str]) -> None:
        """Claim, and see to the topics. Raises PublishingFailed; TopicsMissing where it makes none itself."""
        if self._claim is not None and self._topics.issuperset(topics):
            return
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if self._claim is None:
                    self._claim = await self._uplink.claim(self._name)
                await self._find(topics)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.discard()
            if getattr(error, "retriable", True) and not self._uplink.heard_since(began):
                # Perhaps the brokers are elsewhere now.
                await self._uplink.close()
            raise PublishingFailed("Kafka does not answer") from error
        except BaseException:
            await self.discard()
            raise

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has that was prepared. Raises PublishingFailed where it is gone."""
        try:
            return self._uplink.partitions(topic)
        except KafkaError as error:
            await self.discard()
            raise PublishingFailed("Kafka has the topic no more") from error

    async def topic_ids(self, topics: Collection[str]) -> dict[str, UUID]:
        """In which life each of these topics is. Raises PublishingFailed, TopicsMissing among them."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await self._uplink.topic_ids(topics)
        except UnknownTopicOrPartitionError as error:
            await self.discard()
            raise TopicsMissing(str(error)) from error
        except (KafkaError, OSError, TimeoutError) as error:
            await self.discard()
            raise PublishingFailed("Kafka does not tell its topics") from error

    async def send(self, messages: Sequence[Message]) -> Sent:
        """Send to topics that were prepared, and wait for every acknowledgement, at most SEND_TIMEOUT_S.

        Of each partition a leading part of its messages is acknowledged, in order, or none. After a failure the claim
        is gone, so that nothing that is still under way can come behind what the next one sends. Raises
        PublishingFailed where nothing could be sent at all.
        """
        if self._claim is None:
            raise PublishingFailed("not connected")
        waiting: dict[asyncio.Future[None], list[int]] = {}
        failure: Exception | None = None
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for (topic, partition), (batch, places) in self._fill(messages, self._claim).items():
                    waiting[self._uplink.send(topic, partition, bytes(batch.build()))] = places
                await asyncio.wait(waiting)
        except (KafkaError, TimeoutError) as error:
            failure = error
        except BaseException:
            await self.discard()
            raise
        finally:
            for answer in waiting:
                answer.cancel()
        sent = _outcome(waiting, failure)
        if sent.failure is not None:
            await self.discard()
        return sent

    async def discard(self) -> None:
        """Give the claim up; the next word claims anew."""
        self._claim = None
        self._topics.clear()
        self._sequences.clear()
        if self._name is None:
            await self._uplink.close()

    async def close(self) -> None:
        """Give up the uplink too. Nothing is under way between two calls of `send`, so nothing is lost."""
        await self.discard()
        await self._uplink.close()

    def _fill(self, messages: Sequence[Message], claim: Claim) -> _Batches:
        """One batch a partition, in the order given; what does not fit is left out, with all behind it."""
        batches: _Batches = {}
        counts = {topic: self._uplink.partitions(topic) for topic in {message.topic for message in messages}}
        full: set[tuple[str, int]] = set()
        for place, message in enumerate(messages):
            where = (message.topic, message.partition(counts[message.topic]))
            if where not in batches:
                batches[where] = (self._new_batch(where, claim), [])
            batch, places = batches[where]
            fits = where not in full and batch.append(
                len(places), None, message.key, message.value, list(message.headers)
            )
            if fits:
                places.append(place)
            else:
                full.add(where)
        for where, (_, places) in batches.items():
            self._sequences[where] = (self._sequences.get(where, 0) + len(places)) % _SEQUENCES
        return batches

    def _new_batch(self, where: tuple[str, int], claim: Claim) -> Any:
        return DefaultRecordBatchBuilder(
            magic=_MAGIC,
            compression_type=_UNCOMPRESSED,
            is_transactional=0,
            producer_id=claim.producer_id,
            producer_epoch=claim.epoch,
            base_sequence=self._sequences.get(where, 0),
            batch_size=_BATCH_BYTES_MAX,
        )

    async def _find(self, topics: Collection[str]) -> None:
        """Raises TopicsMissing, or makes what is missing."""
        async with administering(self._uplink.bootstrap) as admin:
            missing = await missing_topics(admin, topics)
            if missing and self._replication is None:
                raise TopicsMissing(", ".join(missing))
            if missing:
                assert self._replication is not None
                await make_topics(admin, missing, self._replication)
        await self._uplink.find(topics)
        self._topics.update(topics)


def _outcome(waiting: dict[asyncio.Future[None], list[int]], failure: Exception | None) -> Sent:
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
