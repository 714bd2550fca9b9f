"""One Kafka consumer that follows the changes of one topic, for all of a process's readers (R32)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from consent_service.domain.errors import NoLongerKept, Overloaded, Unavailable
from consent_service.events.feed.places import Place, mark_of
from consent_service.events.feed.window import Entry, Window
from consent_service.events.wire.heartbeats import read_heartbeat
from consent_service.events.wire.messages import NotUnderstood
from consent_service.events.wire.topic_ids import read_topic_ids

_log = logging.getLogger(__name__)

#: How long Kafka may take to answer before it counts as away.
ANSWER_S = 5.0
#: How often the follower asks whether Kafka is there and the topic is still the same.
LOOK_S = 2.0
#: How long it follows on without readers: they come back.
LINGER_S = 30.0
#: How far back the window begins when the follower starts, so that readers of a process that ended find their places.
HISTORY_S = 60.0

_CLOSE_S = 2.0
_AGAIN_S = 0.2
#: A step's bounds, so that others get their turn.
POLL_MS = 500
STEP_RECORDS_MAX = 500
#: For each partition of each consumer.
_FETCH_BYTES_MAX = 256 * 1024

#: Kafka is away or refuses.
#: The last is uvloop's word for a connection that was reset.
BROKEN = (KafkaError, OSError, TimeoutError, RuntimeError)


@asynccontextmanager
async def consumer_of(bootstrap: str) -> AsyncIterator[Any]:
    """A consumer of no group that is told what to read, and says so where an offset is not kept.

    Raises what is BROKEN where no connection can be had.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id="consent-feed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        fetch_max_wait_ms=POLL_MS,
        max_partition_fetch_bytes=_FETCH_BYTES_MAX,
        request_timeout_ms=int(ANSWER_S * 1000),
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            await consumer.start()
        yield consumer
    finally:
        with contextlib.suppress(*BROKEN):
            async with asyncio.timeout(_CLOSE_S):
                await consumer.stop()


async def records_of(consumer: Any, *, records_max: int = STEP_RECORDS_MAX) -> list[Any]:
    """What comes next, in order within each partition; nothing where nothing came for a while.

    Raises what is BROKEN.
    """
    batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=records_max)
    if consumer._fetcher.error_future.done():  # noqa: SLF001
        # On a connection that is just reset uvloop raises a RuntimeError, asyncio does not. It ends aiokafka's fetching
        # for good, and nobody is told: it would look as if nothing were published any more.
        raise KafkaError("aiokafka fetches no more")
    return [record for batch in batches.values() for record in batch]


class Follower:
    """The topic's window, and the task that fills it.

    It ends by itself once Kafka or the topic is gone, the ledger is in another epoch, or nobody reads any more.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        ledger_epoch: int,
        read_epoch: Callable[[], Awaitable[int]],
        *,
        window_rows_max: int,
        tick_s: float,
    ) -> None:
        self.topic = topic
        self.ledger_epoch = ledger_epoch
        self.window: Window
        self.readers = 0
        self.ended = False
        self._bootstrap = bootstrap
        self._read_epoch = read_epoch
        self._window_rows_max = window_rows_max
        self._tick_s = tick_s
        self._partitions: list[TopicPartition] = []
        self._consumer: Any = None
        # Has a connection of its own: on the other's, an answer waits behind whatever is being waited for.
        self._asking: Any = None
        self._news = asyncio.Event()
        self._used_at = time.monotonic()
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once the window has reached the topic's end. Raises Unavailable."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(started), name=f"feed of {self.topic}")
        await started

    async def close(self) -> None:
        """End now; readers end with it."""
        self.ended = True
        self._tell()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def news(self) -> None:
        """Return when there may be something to send: a change, the end, or time for a sign of life."""
        await self._news.wait()

    async def current(self) -> bool:
        """Whether the topic is still the one that is followed. Raises Unavailable."""
        with away(self.topic):
            async with asyncio.timeout(ANSWER_S):
                same = await self._same()
        if not same:
            await self.close()
        return same

    async def newest(self) -> Place:
        """The place behind everything that Kafka has at this moment. Raises Unavailable."""
        return Place(self.window.newest.mark, await self._ask(self._asking.end_offsets))

    async def check_kept(self, place: Place) -> None:
        """Raises NoLongerKept where the topic does not hold all that comes behind the place, Unavailable."""
        ends = await self._ask(self._asking.end_offsets)
        starts = await self._ask(self._asking.beginning_offsets)
        known = zip(starts, place.offsets, ends, strict=True)
        if not all(start <= offset <= end for start, offset, end in known):
            raise no_longer_kept()

    @asynccontextmanager
    async def reading_from(self, place: Place) -> AsyncIterator[Any]:
        """A consumer of its own for a reader that is behind the window. Raises what is BROKEN."""
        async with consumer_of(self._bootstrap) as consumer:
            consumer.assign(self._partitions)
            for partition in self._partitions:
                consumer.seek(partition, place.offsets[partition.partition])
            yield consumer

    def touch(self) -> None:
        self._used_at = time.monotonic()

    async def _ask(self, question: Any) -> list[int]:
        self.touch()
        if self.ended:
            raise Unavailable("Kafka does not answer now.")
        with away(self.topic):
            async with asyncio.timeout(ANSWER_S):
                answer = await question(self._partitions)
        return [answer[partition] for partition in self._partitions]

    @property
    def _client(self) -> Any:
        """What takes the questions that a consumer does not have."""
        return self._asking._client  # noqa: SLF001

    async def _mark(self) -> bytes:
        topic_id = (await read_topic_ids(self._client, [self.topic]))[self.topic]
        return mark_of(self.topic, topic_id, self.ledger_epoch)

    async def _same(self) -> bool:
        """Whether the topic is the one that is followed. A broker that fails is asked again until time is up."""
        while True:
            try:
                mark = await self._mark()
            except UnknownTopicOrPartitionError:
                raise
            except KafkaError:
                await asyncio.sleep(_AGAIN_S)
            else:
                return mark == self.window.newest.mark

    async def _run(self, started: asyncio.Future[None]) -> None:
        try:
            with away(self.topic):
                async with (
                    consumer_of(self._bootstrap) as self._asking,
                    consumer_of(self._bootstrap) as self._consumer,
                ):
                    async with asyncio.timeout(2 * ANSWER_S):
                        await self._begin()
                    if not started.done():
                        started.set_result(None)
                    await self._follow()
        except (Unavailable, asyncio.CancelledError) as error:
            told = error if isinstance(error, Unavailable) else Unavailable("The service stops.")
            if not started.done():
                started.set_exception(told)
            elif isinstance(error, Unavailable):
                _log.warning("no longer followed: %s", self.topic, extra={"error": repr(error.__cause__)})
        except Exception as error:  # noqa: BLE001 (whatever it is, who waits must hear of it)
            if not started.done():
                started.set_exception(error)
            _log.exception("following ended by a fault: %s", self.topic)
        finally:
            self.ended = True
            self._tell()

    async def _begin(self) -> None:
        """Place the window a little back, and read up to what is the end now."""
        mark = await self._mark()
        numbers = (await self._client.fetch_all_metadata()).partitions_for_topic(self.topic)
        if not numbers:
            raise UnknownTopicOrPartitionError(self.topic)
        self._partitions = [TopicPartition(self.topic, number) for number in sorted(numbers)]
        ends = await self._asking.end_offsets(self._partitions)
        starts = await self._asking.beginning_offsets(self._partitions)
        since = int((time.time() - HISTORY_S) * 1000)
        known = await self._asking.offsets_for_times(dict.fromkeys(self._partitions, since))
        share = self._window_rows_max // len(self._partitions)
        offsets = []
        # Nothing is awaited in between: a partition without a position would be a fault.
        self._consumer.assign(self._partitions)
        for partition in self._partitions:
            end = ends[partition]
            begin = known[partition].offset if known[partition] is not None else end
            offsets.append(max(starts[partition], min(begin, end), end - share))
            self._consumer.seek(partition, offsets[-1])
        self.window = Window(Place(mark, offsets), self._window_rows_max)
        upto = [ends[partition] for partition in self._partitions]
        while not self.window.newest.reaches(upto):
            # Nothing may come where the last offsets are not of messages.
            if not await self._step():
                break

    async def _follow(self) -> None:
        reading = asyncio.create_task(self._read())
        ticking = asyncio.create_task(self._tick())
        looking = asyncio.create_task(self._look())
        heeding = asyncio.create_task(self._heed_epoch())
        tasks = {reading, ticking, looking, heeding}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in done:
            task.result()

    async def _read(self) -> None:
        while True:
            before = self.window.end
            await self._step()
            if self.window.end != before:
                self._tell()

    async def _step(self) -> bool:
        records = await records_of(self._consumer)
        for record in records:
            entry = Entry(record)
            self.window.append(entry)
            if entry.is_heartbeat:
                with contextlib.suppress(NotUnderstood):
                    self.window.hear(entry.partition, read_heartbeat(record))
        return bool(records)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_s)
            self._tell()

    async def _look(self) -> None:
        """Returns once nobody reads any more, or the topic is another one."""
        while self.readers or time.monotonic() - self._used_at < LINGER_S:
            await asyncio.sleep(LOOK_S)
            async with asyncio.timeout(ANSWER_S):
                if not await self._same():
                    _log.warning("another topic has this name now: %s", self.topic)
                    return

    async def _heed_epoch(self) -> None:
        """Returns once the ledger is in a later epoch. Streams go on without the database."""
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(Unavailable, Overloaded):
                if await self._read_epoch() > self.ledger_epoch:
                    _log.warning("a new ledger epoch has begun: %s", self.topic)
                    return

    def _tell(self) -> None:
        """Wake all who wait now; who asks afterwards waits for the next time."""
        self._news.set()
        self._news.clear()


@contextlib.contextmanager
def away(topic: str) -> Iterator[None]:
    """Raises Unavailable in the place of what is BROKEN."""
    try:
        yield
    except UnknownTopicOrPartitionError as error:
        raise Unavailable(f"Kafka has no topic {topic} yet; the relay makes it.") from error
    except BROKEN as error:
        raise Unavailable("Kafka does not answer now.") from error


def no_longer_kept() -> NoLongerKept:
    return NoLongerKept(
        "Kafka does not keep what came after this event any more, the topic was made anew, or the ledger was "
        "restored. Read `/v1/states`, and go on from its `resume`."
    )


def check_same_topic(place: Place, newest: Place) -> bool:
    """Whether the place is one of this topic, in this life of it."""
    return place.mark == newest.mark and len(place.offsets) == len(newest.offsets)


def ahead(place: Place, offsets: Sequence[int]) -> bool:
    """Whether the place lies behind more than these offsets anywhere."""
    return any(own > other for own, other in zip(place.offsets, offsets, strict=True))


def look_at(task: asyncio.Future[Any]) -> None:
    """A failure that nobody waits for any more is no news."""
    if not task.cancelled():
        task.exception()
