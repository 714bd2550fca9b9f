"""A lane: one group of shards on its way to Kafka, through a name of its own (R30).

A group is published by one relay at a time. The lease in the database says by which; that one which lost it, and does
not know yet, is stopped by the broker: whoever takes a lane over speaks first, with a heartbeat, on each of the
group's partitions, and from then on the broker refuses what the one before still sends there. Only then are the rows
read that this lane will publish, so nothing older can come behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec

from consent_service.domain.catalogue import PURPOSES_SHARD
from consent_service.domain.changes import Heartbeat
from consent_service.domain.partitions import group_of, groups_on
from consent_service.events.publishing.kafka import Publisher, PublishingFailed
from consent_service.events.wire.heartbeats import encode_heartbeat
from consent_service.events.wire.messages import Message
from consent_service.events.wire.topics import kind_of
from consent_service.storage.outbox import Pointer
from consent_service.storage.relaying import Filled

#: Published purposes lie in one shard of the outbox, so one group carries them all.
_PURPOSES_GROUP = group_of(PURPOSES_SHARD)


class Told(msgspec.Struct, frozen=True):
    """A row of the outbox and what is sent for it. Without a state, that was overtaken in the same batch."""

    pointer: Pointer
    messages: tuple[Message, ...]


class Published(msgspec.Struct, frozen=True):
    """The rows whose every message Kafka acknowledged; and what kept the others."""

    pointers: list[Pointer]
    failure: Exception | None = None


def partitions_of(topic: str, group: int, count: int) -> list[int]:
    """The partitions of a topic, which has so many, that hold subjects of the group."""
    if kind_of(topic) == "purposes":
        return list(range(count)) if group == _PURPOSES_GROUP else []
    return [partition for partition in range(count) if group in groups_on(partition, count)]


class Lane:
    """One group, under its name. One of `speak` and `publish` at a time.

    `spoken` are the topics on whose partitions it has spoken since it claimed the group: the lane may write to these.
    `lives` is in which life it found those on which it has partitions. `lacks` says of each that must be filled first
    what it will hold then; None before that was compared.
    """

    def __init__(self, group: int, publisher: Publisher) -> None:
        self.group = group
        self._publisher = publisher
        self._spoken: set[str] = set()
        self.lives: dict[str, UUID] = {}
        self.lacks: dict[str, Filled] | None = None
        self.claimed_at = float("-inf")

    @property
    def is_claimed(self) -> bool:
        """Whether it may still speak for the group, as far as it knows."""
        return self._publisher.connected

    def may_write(self, topics: Collection[str]) -> bool:
        """Whether the group is claimed on these topics."""
        return self._publisher.connected and self._spoken.issuperset(topics)

    def may_publish(self, topics: Collection[str]) -> bool:
        """Whether what is new may go to these topics: they hold all that is older."""
        return self.may_write(topics) and self.lacks is not None and not self.lacks

    async def speak(self, topics: Collection[str], heartbeat: Heartbeat) -> None:
        """Claim the group where it is not claimed, and speak on every partition of these topics.

        Raises PublishingFailed, TopicsMissing among them; then the group is not claimed.
        """
        if not self._publisher.connected:
            self._spoken.clear()
            self.lacks = None
            self.claimed_at = asyncio.get_running_loop().time()
        await self._publisher.prepare(topics)
        key, value, headers = encode_heartbeat(heartbeat)
        messages = [
            Message(topic, key, value, headers, partition)
            for topic in topics
            for partition in partitions_of(topic, self.group, await self._publisher.partitions(topic))
        ]
        await self.send(messages)
        lives = await self._publisher.topic_ids(topics)
        self.lives = {topic: lives[topic] for topic in {message.topic for message in messages}}
        self._spoken.update(topics)

    async def publish(self, told: Sequence[Told]) -> Published:
        """Send what these rows tell, and wait for the acknowledgements. Of each subject a leading part arrives."""
        messages = [message for one in told for message in one.messages]
        try:
            sent = await self._publisher.send(messages)
        except PublishingFailed as error:
            return Published([], error)
        arrived = set(sent.acknowledged)
        pointers: list[Pointer] = []
        place = 0
        for one in told:
            places = range(place, place + len(one.messages))
            if arrived.issuperset(places):
                pointers.append(one.pointer)
            place = places.stop
        return Published(pointers, sent.failure)

    async def send(self, messages: Sequence[Message]) -> None:
        """Send all of these, however many batches they fill. Raises PublishingFailed."""
        while messages:
            sent = await self._publisher.send(messages)
            if sent.failure is not None:
                raise PublishingFailed("not every message was acknowledged") from sent.failure
            arrived = set(sent.acknowledged)
            messages = [message for place, message in enumerate(messages) if place not in arrived]

    async def discard(self) -> None:
        """Give the claim up; the next word claims anew."""
        await self._publisher.discard()
