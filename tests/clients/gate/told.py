"""States and purposes told on real topics without a ledger: quickly, by the million, and as a test wants them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError
from consent_client.gate import ConsentGate

from consent_service.domain.changes import ConsentState, PurposePublished, published
from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.domain.values import Reason, Status
from consent_service.events.publishing.kafka import Kafka
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.heartbeats import encode_heartbeat
from consent_service.events.wire.topics import purposes_topic, state_topic
from tests.builders import a_purpose
from tests.events.samples import a_heartbeat, a_state
from tests.events.streams import administrator, subject

PARTITIONS = 4
BEAT_S = 0.3


def state(number: int, sequence: int, **fields: Any) -> ConsentState:
    """Of the subject with that number: odd sequences give, even ones withdraw."""
    gives = sequence % 2 == 1
    return a_state(
        **{
            "subject_id": subject(number),
            "sequence": sequence,
            "status": Status.GIVEN if gives else Status.WITHDRAWN,
            "allowed": gives,
            "reason": Reason.GIVEN if gives else Reason.WITHDRAWN,
            **fields,
        }
    )


class Told:
    """A prefix of a test's own."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.states = state_topic(prefix)
        self.purposes = purposes_topic(prefix)
        self._producer: Any = None

    def gate(self, **options: Any) -> ConsentGate:
        return ConsentGate.kafka(self.bootstrap, controller="ansettr", prefix=self.prefix, **options)

    async def make(self, *topics: str, **settings: str) -> None:
        counts = {self.states: PARTITIONS, self.purposes: 1}
        async with administrator(self.bootstrap) as admin:
            wanted = topics or tuple(counts)
            await admin.create_topics(
                [NewTopic(topic, counts[topic], 1, topic_configs=settings) for topic in wanted]
            )
            while not set(wanted) <= set(await admin.list_topics()):  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.02)

    async def delete(self, topic: str) -> None:
        async with administrator(self.bootstrap) as admin:
            await admin.delete_topics([topic])
            while topic in await admin.list_topics():  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def speaking(self) -> AsyncIterator[None]:
        """A producer, while the block runs."""
        self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", linger_ms=2)
        await self._producer.start()
        try:
            yield
        finally:
            await self._producer.stop()

    async def tell(
        self, events: Iterable[ConsentState | PurposePublished], partition: int | None = None
    ) -> None:
        """Returns once all are acknowledged."""
        sent: list[Any] = []
        for event in events:
            is_state = isinstance(event, ConsentState)
            message = encode_state(event, self.prefix) if is_state else encode(event, self.prefix)  # type: ignore[arg-type]
            where = message.partition(PARTITIONS if is_state else 1) if partition is None else partition
            sent.append(
                await self._producer.send(
                    message.topic,
                    message.value,
                    message.key,
                    partition=where,
                    headers=list(message.headers),
                )
            )
        await asyncio.gather(*sent)

    @asynccontextmanager
    async def in_bulk(self) -> AsyncIterator[Callable[[Iterable[ConsentState]], Awaitable[None]]]:
        """Tells states by the thousand, in whole batches; the topics must exist."""
        publisher = Kafka(self.bootstrap).publisher()

        async def tell(states: Iterable[ConsentState]) -> None:
            rest = iter(states)
            while some := list(itertools.islice(rest, 1000)):
                sent = await publisher.send([encode_state(one, self.prefix) for one in some])
                assert len(sent.acknowledged) == len(some), sent.failure

        try:
            await publisher.prepare({self.states})
            yield tell
        finally:
            await publisher.close()

    async def tell_newsletter(self) -> None:
        await self.tell([published(a_purpose(), ledger_epoch=1)])

    async def beat(self, **fields: Any) -> None:
        """Every group on every partition, now."""
        for group in range(SHARD_GROUPS):
            fields = {"at": datetime.now(UTC), "oldest_unpublished": timedelta(), **fields}
            beat = encode_heartbeat(a_heartbeat(shard_group=group, **fields))
            places = [(self.states, group % PARTITIONS), (self.purposes, 0)]
            await self._send_beats(places, beat)

    async def _send_beats(self, places: Sequence[tuple[str, int]], beat: Any) -> None:
        key, value, headers = beat
        sent = [
            await self._producer.send(topic, value, key, partition=partition, headers=list(headers))
            for topic, partition in places
        ]
        await asyncio.gather(*sent)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """As a relay does, but more often; a broker that is away is waited for."""
        task = asyncio.create_task(self._go_on_beating())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _go_on_beating(self) -> None:
        while True:
            with contextlib.suppress(KafkaError):
                await self.beat()
            await asyncio.sleep(BEAT_S)
