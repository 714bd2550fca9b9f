"""What a member does in the moments in which partitions change hands, on a consumer that a test leads (R34)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import TopicPartition
from consent_client.model import Acknowledgement, Change
from consent_client.reach import Reach
from consent_client.recipient import Begin, MemoryStore, Store
from consent_client.recipient.consuming import Consuming, Source
from consent_client.recipient.counters import Counters
from consent_client.recipient.events import understood
from consent_client.recipient.handling import Duty, Handling
from consent_client.recipient.partition import Partition
from consent_client.recipient.store import Told
from consent_client.wire.envelope import Outgoing
from consent_client.words import Outcome

from consent_service.events.wire.encode import encode, encode_state
from tests.clients.recipient.systems import QUICK, until
from tests.clients.recipient.topics import a_standing, a_step
from tests.events.streams import subject

MINE, LOST = TopicPartition("consent.changes.v1", 0), TopicPartition("consent.changes.v1", 1)
Found = dict[TopicPartition, list[Any]]


class Message(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def message(where: TopicPartition, offset: int, number: int, sequence: int) -> Message:
    told = encode(a_step(number, sequence), "consent")
    return Message(where.topic, where.partition, offset, 0, told.key, told.value, tuple(told.headers))


class Led:
    """A consumer that finds what the test's steps find, one after the other, and then nothing."""

    def __init__(self, *assigned: TopicPartition) -> None:
        self.assigned = frozenset(assigned)
        self.steps: list[Callable[[], Awaitable[Found]]] = []

    def assignment(self) -> frozenset[TopicPartition]:
        return self.assigned

    def partitions_for_topic(self, _: str) -> frozenset[int]:
        return frozenset({0, 1})

    def paused(self) -> frozenset[TopicPartition]:
        return frozenset()

    def pause(self, *_: TopicPartition) -> None: ...
    def resume(self, *_: TopicPartition) -> None: ...

    async def committed(self, _: TopicPartition) -> None:
        return None

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None: ...

    async def getmany(self, **_: Any) -> Found:
        await asyncio.sleep(0.001)
        return await self.steps.pop(0)() if self.steps else {}


class Silent:
    async def acknowledge(self, words: Sequence[Acknowledgement]) -> None: ...


class Held(Consuming):
    """Notes which changes its handler was called for."""

    def __init__(self, consumer: Led, store: Store) -> None:
        self.handled: list[int] = []

        async def call(change: Any) -> Outcome:
            self.handled.append(change.sequence)
            return Outcome.STOPPED

        async def bury(_: Outgoing) -> None: ...

        counters = Counters()
        duty = Duty("ansettr", "system", ("nyhetsbrev",))
        self.handling = handling = Handling(duty, call, store, Silent(), bury, QUICK, counters)
        catch_up: Any = None
        source = Source("", "consent", "group", {}, begin=Begin.EARLIEST)
        super().__init__(source, handling, store, QUICK, counters, catch_up, Reach(print, ""))
        self._consumer = consumer

    @property
    def holds(self) -> Collection[TopicPartition]:
        return set(self._held)


@asynccontextmanager
async def reading(consumer: Led, store: Store | None = None) -> AsyncIterator[Held]:
    member = Held(consumer, store or MemoryStore())
    await member.on_partitions_assigned(consumer.assigned)
    task = asyncio.create_task(member._read())
    try:
        yield member
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_R34_what_is_found_by_a_question_that_a_rebalance_overtook_is_handled() -> None:
    """aiokafka holds a question back until there is an assignment, and answers it with what came since."""
    consumer = Led(MINE)
    async with reading(consumer) as member:

        async def overtaken() -> Found:
            await member.on_partitions_revoked({MINE})
            await member.on_partitions_assigned({MINE})
            return {MINE: [message(MINE, 0, 1, 1)]}

        consumer.steps.append(overtaken)

        await until(lambda: member.handled == [1])


async def test_R34_a_partition_that_went_to_another_member_is_not_held_any_more() -> None:
    """Until there is a new assignment, aiokafka tells the old one."""
    consumer = Led(MINE, LOST)
    async with reading(consumer) as member:
        await until(lambda: member.holds == {MINE, LOST})
        await member.on_partitions_revoked({MINE, LOST})
        await asyncio.sleep(0.02)
        consumer.assigned = frozenset({MINE})
        await member.on_partitions_assigned({MINE})
        await asyncio.sleep(0.02)

        assert member.holds == {MINE}


async def test_R34_a_state_that_fails_waits_where_its_person_is_looked_for() -> None:
    """The topic of states may have another number of partitions than that of changes."""
    store, state = MemoryStore(), encode_state(a_standing(1, 2), "consent")
    told = Told(str(subject(1)), state.topic, 7, 0, state.key, state.value, tuple(state.headers))
    member = Held(Led(MINE), store)

    async def fails(_: Change) -> Outcome:
        raise RuntimeError

    member.handling._call = fails
    await member.handling.arrived(Partition(MINE.topic, MINE.partition), understood(told))

    after_a_restart = Held(Led(MINE), store).handling
    await after_a_restart.take_up(Partition(MINE.topic, MINE.partition))
    assert after_a_restart.partition_of(str(subject(1))) is not None
