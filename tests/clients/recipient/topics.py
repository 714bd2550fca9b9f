"""Changes told as the service tells them, on topics of a test's own, and what recipients say on theirs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError
from consent_client import clock
from consent_client.wire.envelope import ACKNOWLEDGED, DEAD_LETTER, type_of
from consent_client.wire.pb.consent.v1 import events_pb2 as pb

from consent_service.domain.changes import ConsentChange, ConsentState, PurposePublished
from consent_service.domain.values import Command, Reason, Status
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.heartbeats import BEGINNING, encode_heartbeat
from consent_service.events.wire.messages import Message
from tests.events.samples import a_change, a_heartbeat, a_state
from tests.events.streams import administrator, consumer, read_to_end, subject

PARTITIONS = 6
_prefixes = itertools.count(1)


def record_id(number: int, sequence: int) -> UUID:
    return UUID(int=(0x0198F3A27C12 << 80) | (0x7 << 76) | (0x8 << 60) | number << 24 | sequence)


def a_step(number: int, sequence: int, **fields: Any) -> ConsentChange:
    """The change of that sequence of a subject: odd ones give, even ones withdraw."""
    gives = sequence % 2 == 1
    return a_change(
        **{
            "record_id": record_id(number, sequence),
            "subject_id": subject(number),
            "sequence": sequence,
            "command": Command.GRANT if gives else Command.WITHDRAW,
            "status": Status.GIVEN if gives else Status.WITHDRAWN,
            "allowed": gives,
            "reason": Reason.GIVEN if gives else Reason.WITHDRAWN,
            **fields,
        }
    )


def a_standing(number: int, sequence: int, **fields: Any) -> ConsentState:
    """The state that `a_step` leads to."""
    gives = sequence % 2 == 1
    return a_state(
        **{
            "record_id": record_id(number, sequence),
            "subject_id": subject(number),
            "sequence": sequence,
            "status": Status.GIVEN if gives else Status.WITHDRAWN,
            "allowed": gives,
            "reason": Reason.GIVEN if gives else Reason.WITHDRAWN,
            **fields,
        }
    )


def about_the_person(number: int, sequence: int, **fields: Any) -> ConsentChange:
    """A restriction: no purpose, and nothing that belongs to one."""
    none = ("purpose", "status", "allowed", "reason", "version", "standing_version", "governing_version")
    restricts = {"command": Command.RESTRICT, **dict.fromkeys(none), "legal_bases": ()}
    return a_step(number, sequence, **{**restricts, **fields})


class Topics:
    """One prefix. Messages are told in the order given, partition by partition, before `tell` returns."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = f"{name}.{next(_prefixes)}"
        self.changes = self.prefix + ".changes.v1"

    async def make(self, *kinds: str) -> None:
        topics = [
            NewTopic(f"{self.prefix}.{kind}.v1", PARTITIONS, 1)
            for kind in kinds or ("changes", "state", "acks", "dead")
        ]
        async with administrator(self.bootstrap) as admin:
            await admin.create_topics(topics)

    async def tell(self, *changes: ConsentChange) -> None:
        await self._send([encode(change, self.prefix) for change in changes])

    async def tell_states(self, *states: ConsentState) -> None:
        await self._send([encode_state(state, self.prefix) for state in states])

    async def tell_purposes(self, *purposes: PurposePublished) -> None:
        await self._send([encode(purpose, self.prefix) for purpose in purposes])

    async def beat(self, kind: str = "state", *, filled: bool = True) -> None:
        """One group of shards speaks on each partition, as of now, or while it has yet to fill the topic."""
        at = clock.now()
        oldest = timedelta() if filled else at - BEGINNING
        await self._send(
            [
                Message(
                    f"{self.prefix}.{kind}.v1",
                    *encode_heartbeat(a_heartbeat(shard_group=number, at=at, oldest_unpublished=oldest)),
                    number,
                )
                for number in range(PARTITIONS)
            ]
        )

    async def garble(self, number: int, value: bytes = b"\xff\xff\xff") -> str:
        """A message under the subject's key that nobody understands. Returns its place in words."""
        message = encode(a_step(number, 1), self.prefix)
        async with self.producer() as producer:
            place = await producer.send_and_wait(
                self.changes, value, key=message.key, headers=list(message.headers)
            )
        return f"{place.topic} partition {place.partition} offset {place.offset}"

    async def garble_state(self, number: int) -> None:
        """A state of the subject that nobody understands."""
        message = encode_state(a_standing(number, 1), self.prefix)
        async with self.producer() as producer:
            where = message.partition(PARTITIONS)
            await producer.send_and_wait(
                message.topic, b"\xff\xff", message.key, where, headers=list(message.headers)
            )

    async def acknowledgements(self) -> list[Any]:
        """Every word that was said, repetitions included, in the order of its partition."""
        return [pb.Acknowledgement.FromString(message.value) for message in await self._read("acks")]

    async def outcomes(self, number: int) -> list[str]:
        """Of one subject, repetitions left out: `<sequence> <outcome>`."""
        told: dict[str, str] = {}
        for word in await self.acknowledgements():
            if word.subject_id == str(subject(number)):
                sequence = UUID(word.record_id).int & 0xFFFFFF
                outcome = pb.Outcome.Name(word.outcome).removeprefix("OUTCOME_").lower()
                told[word.acknowledgement_id] = f"{sequence} {outcome}"
        return list(told.values())

    async def dead_letters(self) -> list[Any]:
        return [pb.DeadLetter.FromString(message.value) for message in await self._read("dead")]

    async def committed(self, group: str) -> int:
        """How many messages of the changes the group is done with, over all partitions."""
        async with administrator(self.bootstrap) as admin:
            try:
                offsets = await admin.list_consumer_group_offsets(group)
            except GroupCoordinatorNotAvailableError:
                return 0
        return sum(place.offset for where, place in offsets.items() if where.topic == self.changes)

    async def _read(self, kind: str) -> list[Any]:
        async with consumer(self.bootstrap) as reader:
            messages = await read_to_end(reader, f"{self.prefix}.{kind}.v1")
        return [message for message in messages if type_of(message) in (ACKNOWLEDGED, DEAD_LETTER)]

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def _send(self, messages: Sequence[Message]) -> None:
        async with self.producer() as producer:
            arriving = [
                await producer.send(
                    message.topic,
                    message.value,
                    key=message.key,
                    partition=message.partition(PARTITIONS),
                    headers=list(message.headers),
                )
                for message in messages
            ]
            await asyncio.gather(*arriving)
