"""A ledger to publish from and a Kafka to read from, both real."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from consent_service.domain.catalogue import ControllerEntry
from consent_service.domain.partitions import shard_of, subject_hash
from consent_service.domain.purposes import PurposeVersion
from consent_service.domain.records import Record
from consent_service.domain.values import Channel, Command, Reason, Status
from consent_service.events.publishing.kafka import Kafka, Publisher
from consent_service.events.publishing.relay import Relay
from consent_service.events.publishing.uplink import Uplink
from consent_service.events.wire.heartbeats import is_heartbeat
from consent_service.metrics import Metrics
from consent_service.storage.catalogue import add_controller, add_versions
from consent_service.storage.database import Connection, Database, open_database
from consent_service.storage.ledger import Append, append
from consent_service.usecases import clock
from tests.builders import a_version, day
from tests.databases import TestDatabase
from tests.ledger_rows import insert_record, insert_subject

PATIENCE_S = 50.0
_PERSON = "insert into subjects values ($1, $2, $3, now()) on conflict do nothing"
_prefixes = itertools.count(1)


async def eventually(happened: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as it is so. Raises TimeoutError."""
    async with asyncio.timeout(patience_s):
        while not await happened():  # noqa: ASYNC110  the event is in another process
            await asyncio.sleep(0.005)


@asynccontextmanager
async def opened(database: TestDatabase, role: str) -> AsyncIterator[Database]:
    async with open_database(
        database.url(role), connections_max=4, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as pool:
        yield pool


def subject(number: int) -> UUID:
    """A subject id; different numbers lie in different shards and partitions."""
    return UUID(int=(0x0198F3A27C11 << 80) | (0x7 << 76) | (0x8 << 60) | number)


def a_record(number: int, sequence: int, **fields: Any) -> Record:
    """The subject's record with that sequence: odd ones give, even ones withdraw; hashes mean nothing."""
    gives = sequence % 2 == 1
    at = day(sequence)
    return Record(
        **{
            "record_id": UUID(
                int=(0x0198F3A27C12 << 80) | (0x7 << 76) | (0x8 << 60) | number << 24 | sequence
            ),
            "controller": "ansettr",
            "subject_id": subject(number),
            "sequence": sequence,
            "purpose": "nyhetsbrev",
            "command": Command.GRANT if gives else Command.WITHDRAW,
            "status": Status.GIVEN if gives else Status.WITHDRAWN,
            "version": 1,
            "governing_version": 1,
            "recorded_at": at,
            "occurred_at": None,
            "effective_at": at,
            "until": None,
            "allowed": gives,
            "reason": Reason.GIVEN if gives else Reason.WITHDRAWN,
            "cause": None,
            "superseded": False,
            "preferences": None,
            "language": None,
            "notice_hash": None,
            "channel": Channel.API,
            "source": None,
            "choice_id": None,
            "screen_hash": None,
            "actor_commitment": None,
            "evidence_commitment": None,
            "previous_hash": bytes(32),
            "record_hash": bytes(32),
            "standing_version": 1,
            **fields,
        }
    )


class Stream:
    """Ansettr's ledger with a newsletter, and its topics, whose prefix is this test's own."""

    def __init__(self, database: TestDatabase, bootstrap: str) -> None:
        self.database = database
        self.bootstrap = bootstrap
        self.metrics = Metrics()
        self._is_under(f"{database.name.replace('_', '-')}.{next(_prefixes)}")

    def _is_under(self, prefix: str) -> None:
        self.prefix = prefix
        self.changes = prefix + ".changes.v1"
        self.state = prefix + ".state.v1"
        self.purposes = prefix + ".purposes.v1"

    @asynccontextmanager
    async def written(self, controller: str = "ansettr") -> AsyncIterator[Connection]:
        """A transaction of the service's own role."""
        async with (
            opened(self.database, "consent_service") as service,
            service.transaction([controller]) as connection,
        ):
            yield connection

    async def prepare(self) -> None:
        """The controller with its prefix, and version 1 of its newsletter, staged."""
        async with self.written() as connection:
            await add_controller(connection, ControllerEntry(slug="ansettr", legal_name="Ansettr AS"))
            await add_versions(connection, "ansettr", [("nyhetsbrev", a_version())])
        await self.moves_to(self.prefix)

    async def moves_to(self, prefix: str) -> None:
        """The controller's events go to other topics from now on."""
        self._is_under(prefix)
        await self.run("update controllers set topic_prefix = $1", prefix)

    async def publish_version(self, version: PurposeVersion, purpose: str = "nyhetsbrev") -> None:
        async with self.written() as connection:
            await add_versions(connection, "ansettr", [(purpose, version)])

    async def append(
        self, records: Sequence[Record], traceparent: str | None = None, controller: str = "ansettr"
    ) -> None:
        """Records and their outbox rows in one transaction, in the order given."""
        rows = [
            Append(
                **msgspec.structs.asdict(record),
                sealed=b"",
                shard=shard_of(subject_hash(record.subject_id)),
                traceparent=traceparent,
            )
            for record in records
        ]
        persons = {record.subject_id: record.controller for record in records}
        async with self.written(controller) as connection:
            for subject_id, theirs in persons.items():
                shard = shard_of(subject_hash(subject_id))
                await connection.execute(_PERSON, theirs, subject_id, shard)
            await append(connection, rows, [], now=clock.now())

    async def append_only(self, records: Sequence[Record]) -> None:
        """Records without outbox rows."""
        async with self.written() as connection:
            for record in records:
                await insert_record(connection, record)
                await insert_subject(connection, record, head=True)

    async def run(self, statement: str, *values: Any) -> Any:
        """As superuser; the first column of the first row."""
        connection = await self.database.connect()
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    async def drained(self, patience_s: float = PATIENCE_S) -> None:
        """Return once the outbox is empty."""
        connection = await self.database.connect()
        try:

            async def empty() -> bool:
                return bool(await connection.fetchval("select not exists (select from outbox)"))

            await eventually(empty, patience_s)
        finally:
            await connection.close()

    @asynccontextmanager
    async def relay(
        self, holder: str = "one", *, patience_s: float = 5.0, **options: Any
    ) -> AsyncIterator[Relay]:
        """A relay that runs until the block ends, and then stops within `patience_s`."""
        stop = asyncio.Event()
        async with opened(self.database, "consent_relay") as pool:
            relay = Relay(pool, Kafka(self.bootstrap), self.metrics, holder=holder, **options)
            running = asyncio.create_task(relay.run(stop))
            try:
                yield relay
            finally:
                stop.set()
                await asyncio.wait_for(running, patience_s)

    def publisher(self, fence: str) -> Publisher:
        return Publisher(Uplink(self.bootstrap), name=fence, replication=1)

    async def messages(self, topic: str) -> list[Any]:
        """Everything but heartbeats that lies in the topic now, partition by partition, in order."""
        async with consumer(self.bootstrap) as reader:
            return [message for message in await read_to_end(reader, topic) if not is_heartbeat(message)]

    async def delete_topic(self, topic: str) -> None:
        """Return once it is gone."""
        async with administrator(self.bootstrap) as admin:
            await admin.delete_topics([topic])

            async def gone() -> bool:
                return topic not in await admin.list_topics()

            await eventually(gone)

    async def set_topic(self, topic: str, settings: dict[str, str]) -> None:
        """Exactly these settings; the others go back to the broker's own."""
        async with administrator(self.bootstrap) as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])

    async def topic_settings(self, topic: str) -> dict[str, str]:
        async with administrator(self.bootstrap) as admin:
            [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        [resource] = answer.resources
        return {entry[0]: entry[1] for entry in resource[4]}


@asynccontextmanager
async def administrator(bootstrap: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def consumer(bootstrap: str) -> AsyncIterator[Any]:
    """A consumer of no group, that is told what to read."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=20)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def read_to_end(reader: Any, topic: str) -> list[Any]:
    partitions = await topic_partitions(reader, topic)
    reader.assign(partitions)
    await reader.seek_to_beginning()
    ends = await reader.end_offsets(partitions)
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        for partition in partitions:
            while await reader.position(partition) < ends[partition]:
                for batch in (await reader.getmany(partition, timeout_ms=200)).values():
                    found += batch
    return found


async def topic_partitions(reader: Any, topic: str) -> list[TopicPartition]:
    """All partitions of the topic, once it exists."""
    known: set[int] = set()

    async def exists() -> bool:
        try:
            cluster = await reader._client.fetch_all_metadata()
        except KafkaError:
            return False  # a broker that was paused answers again in a moment
        known.update(cluster.partitions_for_topic(topic) or ())
        return bool(known)

    await eventually(exists)
    return [TopicPartition(topic, number) for number in sorted(known)]


def by_subject(changes: Iterable[Any]) -> dict[UUID, list[int]]:
    """The sequences of each subject in the order in which they lie on the topic."""
    found: dict[UUID, list[int]] = {}
    for change in changes:
        found.setdefault(change.subject_id, []).append(change.sequence)
    return found


def without_repetition(sequences: list[int]) -> list[int]:
    """What a consumer sees that drops everything not above the last sequence it knows (R27)."""
    seen: list[int] = []
    for sequence in sequences:
        if not seen or sequence > seen[-1]:
            seen.append(sequence)
    return seen


def replaced(record: Record, **fields: Any) -> Record:
    return msgspec.structs.replace(record, **fields)
