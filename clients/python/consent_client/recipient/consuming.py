"""A member of the group: takes changes from its partitions, lets them be handled, and commits what is done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from consent_client import clock, ending
from consent_client.errors import Unavailable
from consent_client.reach import UNREACHABLE, Reach
from consent_client.recipient.catching_up import CatchUp
from consent_client.recipient.counters import Counters
from consent_client.recipient.events import Event, told_of, understood
from consent_client.recipient.handling import Handling
from consent_client.recipient.lanes import Lanes, Work
from consent_client.recipient.partition import LeftOff, Partition
from consent_client.recipient.settings import Begin, Limits
from consent_client.recipient.store import Store
from consent_client.recipient.taking_over import TakeOver
from consent_client.wire.envelope import HEARTBEAT, type_of
from consent_client.wire.topics import changes_topic

_FETCH_S = 0.2
_FETCH_MAX = 500
_DUE_MAX = 500
_METADATA_S = 10.0
_CLOSE_S = 5.0
_log = logging.getLogger("consent_client.recipient")


class Source(msgspec.Struct, frozen=True):
    """Where the changes are, and the group that shares them; `options` go to aiokafka as they are.

    A `member` with a name gets its partitions back when it begins again within a session.
    """

    bootstrap: str
    prefix: str
    group: str
    options: Mapping[str, Any]
    member: str | None = None
    begin: Begin = Begin.STANDING


class Consuming(ConsumerRebalanceListener):  # type: ignore[misc]
    """One life of a consumer. Nothing of a partition begins before what is parked there is known."""

    def __init__(
        self,
        source: Source,
        handling: Handling,
        store: Store,
        limits: Limits,
        counters: Counters,
        catch_up: CatchUp,
        reach: Reach,
    ) -> None:
        self._source = source
        self._handling = handling
        self._store = store
        self._limits = limits
        self._counters = counters
        self._reach = reach
        self._topic = changes_topic(source.prefix)
        self._lanes = Lanes()
        self._take_over = TakeOver(catch_up, handling, store, self._lanes, limits, self._put, self._say_alive)
        self._held: dict[TopicPartition, Partition] = {}
        # The consumer's own `assignment` tells the old one until there is a new one.
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._generation = 0
        self._consumer: Any = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop. Raises KafkaError, OSError, Unavailable: begin another life."""
        async with self._joined():
            work: list[asyncio.Task[Any]] = [
                asyncio.create_task(stop.wait()),
                asyncio.create_task(self._read()),
                asyncio.create_task(self._commit_regularly()),
                asyncio.create_task(self._look_regularly()),
            ]
            try:
                await asyncio.wait([*work, self._lanes.broken], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await ending.end(*work)
            for task in work:
                if not task.cancelled():
                    task.result()
            if self._lanes.broken.done():
                self._lanes.broken.result()

    @asynccontextmanager
    async def _joined(self) -> AsyncIterator[None]:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._source.bootstrap,
            group_id=self._source.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            group_instance_id=self._source.member,
            session_timeout_ms=int(self._limits.session_s * 1000),
            heartbeat_interval_ms=int(self._limits.session_s * 1000 / 3),
            # A rebalance waits for the handlers under way.
            rebalance_timeout_ms=int((self._limits.finish_s + _CLOSE_S) * 1000),
            metadata_max_age_ms=int(_METADATA_S * 1000),
            **self._source.options,
        )
        self._consumer.subscribe([self._topic], listener=self)
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await self._consumer.start()
            yield
        finally:
            try:
                await self._give_up_all()
            finally:
                # It waits for the broker to hear that the member leaves.
                await ending.stop(self._consumer, _CLOSE_S)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """All are given up, with what is under way finished or cut off, before anybody else gets them."""
        self._assigned = frozenset()
        await self._give_up_all()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """They are taken up when they are first read."""
        self._assigned = frozenset(assigned)
        self._reach.there()

    async def _give_up_all(self) -> None:
        self._generation += 1
        held, self._held = self._held, {}
        await asyncio.gather(*(partition.close(self._limits.finish_s) for partition in held.values()))
        await self._commit(held)
        for partition in held.values():
            await self._handling.let_go(partition)

    async def _read(self) -> None:
        while True:
            if not await self._lanes.room(self._limits.events_max // 2, limit_s=_FETCH_S):
                await self._say_alive()
                continue
            self._consumer.resume(*self._consumer.paused())
            for where in self._assigned:
                if where in self._assigned:
                    await self._partition(where)
            found = await self._consumer.getmany(
                timeout_ms=int(_FETCH_S * 1000), max_records=min(_FETCH_MAX, self._limits.events_max)
            )
            # What was found is of the assignment that there is now: over a rebalance aiokafka waits for the new one.
            generation = self._generation
            for where, messages in found.items():
                # After a rebalance meanwhile they come again, to whoever holds the partition then.
                if generation != self._generation:
                    break
                partition = await self._partition(where)
                if partition is not None:
                    with contextlib.suppress(LeftOff):
                        await self._take(partition, messages)

    async def _say_alive(self) -> None:
        """Asking for nothing tells the group that this member lives."""
        self._consumer.pause(*self._consumer.assignment())
        await self._consumer.getmany(timeout_ms=0)

    async def _partition(self, where: TopicPartition) -> Partition | None:
        """Taken up with what is parked there; None where it was lost meanwhile."""
        partition = self._held.get(where)
        if partition is None:
            partition = self._held[where] = Partition(where.topic, where.partition)
            with contextlib.suppress(LeftOff):
                await self._take_up(where, partition)
        return None if partition.closed.is_set() else partition

    async def _take_up(self, where: TopicPartition, partition: Partition) -> None:
        epochs = await self._handling.persist(partition, self._store.epochs)
        partition.ledger_epoch = epochs.get(where.partition)
        await self._handling.take_up(partition)
        async with asyncio.timeout(self._limits.answer_s):
            partition.committed = await self._consumer.committed(where)
        partition.next_offset = partition.committed
        if partition.committed is None:
            await self._begin(where, partition)

    async def _begin(self, where: TopicPartition, partition: Partition) -> None:
        """Where nothing is committed. Raises LeftOff."""
        if partition.ledger_epoch is not None:
            # Kafka has forgotten a member that was here before: it expects all that was ever told.
            partition.next_offset = 0
        elif self._source.begin is Begin.STANDING:
            await self._take_over.at_first(partition, self._partitions)
        elif self._source.begin is Begin.NOW:
            async with asyncio.timeout(self._limits.answer_s):
                ends = await self._consumer.end_offsets([where])
            if not partition.closed.is_set():
                self._consumer.seek(where, ends[where])
                partition.next_offset = ends[where]

    async def _take(self, partition: Partition, messages: Sequence[Any]) -> None:
        for message in messages:
            if partition.next_offset is not None and message.offset > partition.next_offset:
                await self._take_over.over_gap(partition, self._partitions)
            if type_of(message) == HEARTBEAT and not partition.closed.is_set():
                partition.skip(message.offset)
                continue
            event = understood(told_of(message))
            if event.change is not None and event.change.ledger_epoch > (partition.ledger_epoch or 0):
                epoch = event.change.ledger_epoch
                await self._take_over.enter_epoch(partition, self._partitions, epoch)
            if partition.closed.is_set():
                return
            if self._handling.concerns(event):
                partition.begin(message.offset, message.timestamp)
                self._put(partition, event)
            else:
                partition.skip(message.offset)

    @property
    def _partitions(self) -> int:
        return len(self._consumer.partitions_for_topic(self._topic) or ())

    def _put(self, partition: Partition, event: Event) -> None:
        self._lanes.put(partition, event.told.subject, lambda: self._handling.arrived(partition, event))

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._limits.commit_s)
            await self._commit(self._held)
            await self._look_back()

    async def _commit(self, held: Mapping[TopicPartition, Partition]) -> None:
        """What could not be committed is told again."""
        offsets = {
            where: partition.progress
            for where, partition in held.items()
            if partition.progress is not None and partition.progress != partition.committed
        }
        if not offsets:
            return
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await self._consumer.commit(offsets)
        except UNREACHABLE as error:
            self._reach.away(error)
            return
        except KafkaError as error:
            _log.warning("progress was not committed: %s", type(error).__name__)
            return
        for where, offset in offsets.items():
            held[where].committed = offset

    async def _look_back(self) -> None:
        held = dict(self._held)
        oldest = [ms for partition in held.values() if (ms := partition.oldest_ms) is not None]
        self._counters.oldest_s = max(0.0, clock.now().timestamp() - min(oldest) / 1000) if oldest else 0.0
        # Who holds nothing now, as after a long outage, asks whether Kafka is there all the same.
        asked = list(held) or [TopicPartition(self._topic, number) for number in range(self._partitions)][:1]
        if not asked:
            return
        try:
            async with asyncio.timeout(self._limits.answer_s):
                ends = await self._consumer.end_offsets(asked)
        except UNREACHABLE as error:
            self._reach.away(error)
            return
        except KafkaError as error:
            _log.warning("how far it is behind is not known: %s", type(error).__name__)
            return
        self._reach.there()
        if not held:
            return
        # Nothing taken and nothing committed: it begins at the topic's start.
        self._counters.lag = sum(
            max(0, ends[where] - (partition.progress or 0)) for where, partition in held.items()
        )

    async def _look_regularly(self) -> None:
        """Parked events that are due get their turn."""
        while True:
            await asyncio.sleep(self._limits.look_s)
            numbers = [partition.number for partition in self._held.values()]
            if not numbers or not self._counters.parked:
                continue
            try:
                due = await self._store.due(numbers, clock.now(), _DUE_MAX)
            except Unavailable as error:
                _log.warning("trying again: %s", error)
                continue
            for subject in due:
                partition = self._handling.partition_of(subject)
                if partition is not None and not self._lanes.is_busy(subject):
                    self._lanes.put(partition, subject, _again(self._handling, partition, subject))


def _again(handling: Handling, partition: Partition, subject: str) -> Work:
    return lambda: handling.again(partition, subject)
