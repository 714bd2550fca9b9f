"""Topics of changes to follow through the feed, and what its readers are sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete

from consent_service.domain.changes import ConsentChange, Heartbeat
from consent_service.domain.errors import Unavailable
from consent_service.events.feed.feed import Feed
from consent_service.events.feed.reader import Reader
from consent_service.events.wire.encode import encode
from consent_service.events.wire.heartbeats import encode_heartbeat
from consent_service.events.wire.topics import changes_topic
from consent_service.metrics import Metrics
from consent_service.usecases.submissions import Caller
from tests.builders import an_id, day
from tests.events.samples import a_change
from tests.events.streams import PATIENCE_S, administrator, subject

ANSETTR = Caller("ansettr", "mailer")


class Event(msgspec.Struct, frozen=True):
    """One block of a stream of server-sent events; `data` is null where it only carries an id."""

    id: str
    name: str | None = None
    data: Any = None

    @property
    def key(self) -> tuple[str, int]:
        """Whose change it is, and the how manieth."""
        return self.data["subject_id"], self.data["sequence"]


def blocks(text: str) -> list[Event]:
    """The blocks of a piece of a stream, which begins and ends with one."""
    found = []
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        data = json.loads(fields["data"]) if "data" in fields else None
        found.append(Event(fields["id"], fields.get("event"), data))
    return found


def change(number: int, sequence: int, **fields: Any) -> ConsentChange:
    """A subject's change; numbers lie in different partitions."""
    return a_change(
        **{
            "record_id": an_id(number << 32 | sequence),
            "subject_id": subject(number),
            "sequence": sequence,
            **fields,
        }
    )


class Topic:
    """A prefix of a test's own, and its topic of changes."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.partitions = partitions
        self.name = changes_topic(prefix)
        #: None where the database is away.
        self.ledger_epoch: int | None = 1
        self._producer: Any = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Topic]:
        await self.make()
        self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await self._producer.start()
        try:
            yield self
        finally:
            await self._producer.stop()

    async def make(self) -> None:
        async with administrator(self.bootstrap) as admin:
            await admin.create_topics([NewTopic(self.name, self.partitions, 1)])
            while self.name not in await admin.list_topics():  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.02)

    async def delete(self) -> None:
        async with administrator(self.bootstrap) as admin:
            await admin.delete_topics([self.name])
            while self.name in await admin.list_topics():  # noqa: ASYNC110  the broker tells nobody
                await asyncio.sleep(0.02)

    async def drop_before(self, offset: int) -> None:
        """Let every partition begin at this offset at the earliest."""
        async with administrator(self.bootstrap) as admin:
            every = [TopicPartition(self.name, number) for number in range(self.partitions)]
            await admin.delete_records({one: RecordsToDelete(offset) for one in every})

    async def publish(self, changes: Iterable[ConsentChange], partition: int | None = None) -> None:
        """One after the other in each partition; returns once all are acknowledged."""
        sent = []
        for one in changes:
            message = encode(one, self.prefix)
            where = message.partition(self.partitions) if partition is None else partition
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

    async def beat(self, group: int = 0, at: datetime | None = None, waits_s: float = 0.0) -> None:
        """A heartbeat of one group on every partition, as the relay sends."""
        waits = timedelta(seconds=waits_s)
        beat = Heartbeat(shard_group=group, at=at or day(1), oldest_unpublished=waits, ledger_epoch=1)
        key, value, headers = encode_heartbeat(beat)
        for partition in range(self.partitions):
            await self._producer.send_and_wait(
                self.name, value, key, partition=partition, headers=list(headers)
            )

    async def junk(self, partition: int) -> None:
        """A message that nobody understands and that names no controller."""
        await self._producer.send_and_wait(self.name, b"junk", partition=partition)

    @asynccontextmanager
    async def feed(self, metrics: Metrics | None = None, **options: Any) -> AsyncIterator[Feed]:
        """A feed as one process has it."""

        async def prefix_of(controller: str) -> str:
            return self.prefix

        async def read_epoch() -> int:
            if self.ledger_epoch is None:
                raise Unavailable("The database does not answer now.")
            return self.ledger_epoch

        feed = Feed(self.bootstrap, prefix_of, read_epoch, metrics or Metrics(), **options)
        try:
            yield feed
        finally:
            await feed.stop()


async def read(reader: Reader, count: int, patience_s: float = PATIENCE_S) -> list[Event]:
    """The next so many changes; the reader is closed."""
    found: list[Event] = []
    async with asyncio.timeout(patience_s), reading(reader) as parts:
        while len(found) < count:
            found += [event for event in blocks(await anext(parts)) if event.data is not None]
    return found


@asynccontextmanager
async def reading(reader: Reader) -> AsyncIterator[AsyncIterator[str]]:
    """What the reader is sent, piece after piece, without what is not of an event."""

    async def texts() -> AsyncIterator[str]:
        async for part in parts:
            yield part.decode().partition("\n")[2] if part.startswith(b"retry: ") else part.decode()

    parts: Any = reader.parts()
    try:
        yield texts()
    finally:
        await parts.aclose()
        await reader.close()
