"""Reading what stands from the compacted topics, and following it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, UnknownTopicOrPartitionError

from consent_client.ending import BROKEN, end, stop
from consent_client.errors import NotUnderstood
from consent_client.gate.intake import EpochBegan, Intake
from consent_client.gate.knowledge import Knowledge
from consent_client.gate.lives import Life, read_lives
from consent_client.reach import UNREACHABLE, Reach
from consent_client.wire.topics import purposes_topic, state_topic

_log = logging.getLogger(__name__)

#: How long Kafka may take to answer before it counts as away.
ANSWER_S = 5.0
#: How often it is asked whether the topics are still the same.
LOOK_S = 2.0
_AGAIN_S = (0.2, 2.0)
#: A message whose subject nobody can tell is still there the next time, so that takes longer and longer.
_DAMAGED_AGAIN_S = (1.0, 300.0)
_POLL_MS = 500
#: Others get their turn after so many small steps. With more messages at once Python's garbage collector would look
#: through them again and again, for a seventh of all the time.
_STEPS = 20
_STEP_MESSAGES_MAX = 50
_FETCH_BYTES_MAX = 4 * 1024 * 1024

_ANOTHER = "a topic was deleted and made anew, or has other partitions"


class BeginAnew(Exception):
    """What was read is of topics that are no more; says why."""


class KafkaSource:
    """Both topics of one prefix, every partition, outside any consumer group."""

    def __init__(self, bootstrap: str, prefix: str, options: Mapping[str, Any]) -> None:
        self._bootstrap = bootstrap
        self._reach = Reach(_log.warning, bootstrap)
        self._options = options
        self._states = state_topic(prefix)
        self._purposes = purposes_topic(prefix)
        self._lives: dict[str, Life] | None = None
        self._next: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    async def follow(self, knowledge: Knowledge) -> None:
        knowledge.begin(f"Kafka at {self._bootstrap} has not answered yet", {})
        away = damaged = 0
        while True:
            try:
                async with self._connected() as consumer:
                    await self._join(consumer, knowledge)
                    away = 0
                    await self._attend(consumer, knowledge)
            except (BeginAnew, EpochBegan, OffsetOutOfRangeError) as error:
                why = str(error) if isinstance(error, BeginAnew) else _WHY[type(error)]
                if why != knowledge.why:
                    _log.warning("what stands is read anew: %s", why)
                self._forget(knowledge, why)
                await asyncio.sleep(_AGAIN_S[0])
            except NotUnderstood as error:
                why = f"a message is not understood: {error}"
                _log.error("nothing is allowed any more: %s", why)
                self._forget(knowledge, why)
                await asyncio.sleep(_delay(_DAMAGED_AGAIN_S, damaged))
                damaged += 1
            except BROKEN as error:
                # What is known stays; how old it may become is the gate's to judge.
                if isinstance(error, UNREACHABLE):
                    self._reach.away(error)
                elif away == 0:
                    _log.warning("Kafka at %s refuses: %s", self._bootstrap, type(error).__name__)
                await asyncio.sleep(_delay(_AGAIN_S, away))
                away += 1

    def _forget(self, knowledge: Knowledge, why: str) -> None:
        self._lives = None
        knowledge.begin(why, {})

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=_FETCH_BYTES_MAX,
            request_timeout_ms=int(ANSWER_S * 1000),
            retry_backoff_ms=50,
            **{"client_id": "consent-gate", **self._options},
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                await consumer.start()
            yield consumer
        finally:
            await stop(consumer)

    async def _join(self, consumer: Any, knowledge: Knowledge) -> None:
        """Go on where it was left; at the beginning, or where the topics are new ones, from the start."""
        async with asyncio.timeout(ANSWER_S):
            lives = await self._read_lives(consumer)
            if self._lives is not None and lives != self._lives:
                raise BeginAnew(_ANOTHER)
            if self._lives is None:
                await self._begin(consumer, knowledge)
                self._lives = lives
            consumer.assign(list(self._next))
            for place, offset in self._next.items():
                consumer.seek(place, offset)

    async def _read_lives(self, consumer: Any) -> dict[str, Life]:
        try:
            lives = await read_lives(consumer._client, (self._states, self._purposes))  # noqa: SLF001
        except UnknownTopicOrPartitionError as error:
            self._reach.there()
            raise BeginAnew(f"there is no topic {error.args[0]}") from error
        self._reach.there()
        return lives

    async def _begin(self, consumer: Any, knowledge: Knowledge) -> None:
        # All of them: asking for one by its name would let a broker make it.
        cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001
        counts = {}
        places = []
        for topic in (self._purposes, self._states):
            partitions = cluster.partitions_for_topic(topic) or set()
            counts[topic] = len(partitions)
            places += [TopicPartition(topic, partition) for partition in sorted(partitions)]
        if not all(counts.values()):
            raise BeginAnew("a topic has no partitions yet")
        self._next = await consumer.beginning_offsets(places)
        self._ends = await consumer.end_offsets(places)
        knowledge.begin("what stands is being read", counts, of_one_group=(self._purposes,))

    async def _attend(self, consumer: Any, knowledge: Knowledge) -> None:
        intake = Intake(knowledge.memory, knowledge.touch)
        looking = asyncio.create_task(self._look(consumer))
        try:
            while True:
                await self._take(consumer, intake)
                knowledge.tell()
                if not knowledge.touch.is_open and await self._is_read(consumer):
                    knowledge.complete()
                    _log.info("what stands is read", extra={"pairs": len(knowledge.memory)})
                if looking.done():
                    looking.result()
                await asyncio.sleep(0)
        finally:
            await end(looking)

    async def _take(self, consumer: Any, intake: Intake) -> None:
        wait_ms = _POLL_MS
        for _ in range(_STEPS):
            if not await self._take_some(consumer, intake, wait_ms):
                return
            wait_ms = 0

    async def _take_some(self, consumer: Any, intake: Intake, wait_ms: int) -> bool:
        batches = await consumer.getmany(timeout_ms=wait_ms, max_records=_STEP_MESSAGES_MAX)
        if consumer._fetcher.error_future.done():  # noqa: SLF001
            # A connection that is just reset may end aiokafka's fetching for good, and nobody is told.
            raise KafkaError("aiokafka fetches no more")
        for place, messages in batches.items():
            if place.topic == self._states:
                intake.take_states(messages)
            else:
                intake.take_purposes(messages)
            self._next[place] = messages[-1].offset + 1
        return bool(batches)

    async def _is_read(self, consumer: Any) -> bool:
        """Whether everything up to the first ends is read; what was compacted away moves the position too."""
        for place, last in list(self._ends.items()):
            if await consumer.position(place) < last:
                return False
            del self._ends[place]
        return True

    async def _look(self, consumer: Any) -> None:
        """Ends by raising BeginAnew where the topics are others than those that were read."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                async with asyncio.timeout(ANSWER_S):
                    if await self._read_lives(consumer) != self._lives:
                        raise BeginAnew(_ANOTHER)
            except UNREACHABLE as error:
                self._reach.away(error)
            except BROKEN:
                continue


_WHY: dict[type[Exception], str] = {
    EpochBegan: "the ledger was restored from a backup",
    OffsetOutOfRangeError: "Kafka does not hold any more what comes next",
}


def _delay(bounds: tuple[float, float], tries: int) -> float:
    shortest, longest = bounds
    return min(shortest * 2.0 ** min(tries, 20), longest)
