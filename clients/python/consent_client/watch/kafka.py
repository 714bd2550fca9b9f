"""The topic of changes, read by nobody's group: every partition, from its beginning or from now on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consent_client.ending import end, stop
from consent_client.errors import NotUnderstood, Unavailable
from consent_client.model import Change, Heartbeat
from consent_client.reach import UNREACHABLE, Reach
from consent_client.wire.envelope import CHANGED, HEARTBEAT, type_of
from consent_client.wire.reading import read_change, read_heartbeat
from consent_client.wire.topics import changes_topic

_log = logging.getLogger(__name__)
_POLL_MS = 1000
#: How often it is asked whether Kafka is still there, and how long that may take.
_LOOK_S = 2.0
_ANSWER_S = 5.0
#: What is fetched at once, in bytes for each partition.
_FETCH_BYTES = 256 * 1024


class Told:
    """One message: a change, a heartbeat, or why it is not understood."""

    __slots__ = ("offset", "partition", "what")

    def __init__(self, partition: int, offset: int, what: Change | Heartbeat | NotUnderstood) -> None:
        self.partition = partition
        self.offset = offset
        self.what = what


async def read_changes(
    bootstrap: str,
    prefix: str,
    *,
    from_beginning: bool,
    say: Callable[[str], None] = _log.warning,
    start_s: float = 10.0,
) -> AsyncGenerator[Told | None, None]:
    """What the topic tells, in order per partition, without an end. None comes at the start, once what was there then
    is read, and from there on at least every second where nothing comes.

    Raises Unavailable where no broker answers within `start_s`, or has no such topic. Later it waits for a broker that
    is away, and says so. What is of another kind is left out.
    """
    topic = changes_topic(prefix)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id="consent-watch",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=_FETCH_BYTES,
        request_timeout_ms=int(start_s * 1000),
    )
    looking: list[asyncio.Task[None]] = []
    try:
        ahead = await _start(consumer, bootstrap, topic, from_beginning=from_beginning, start_s=start_s)
        # It stands at the beginning: what comes from now on is not missed.
        yield None
        looking.append(asyncio.create_task(_look(consumer, Reach(say, bootstrap))))
        while True:
            found = await consumer.getmany(timeout_ms=_POLL_MS)
            for records in found.values():
                for record in records:
                    told = _read(record)
                    if told is not None:
                        yield told
            was_behind = bool(ahead)
            ahead = {place: end for place, end in ahead.items() if await consumer.position(place) < end}
            if not ahead and (was_behind or not found):
                yield None
    finally:
        await end(*looking)
        await stop(consumer)


async def _start(
    consumer: Any, bootstrap: str, topic: str, *, from_beginning: bool, start_s: float
) -> dict[TopicPartition, int]:
    """Where each partition ends by then. Raises Unavailable."""
    try:
        async with asyncio.timeout(start_s):
            await consumer.start()
            partitions = [TopicPartition(topic, number) for number in await _partitions(consumer, topic)]
            consumer.assign(partitions)
            seek = consumer.seek_to_beginning if from_beginning else consumer.seek_to_end
            await seek(*partitions)
            ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
            return ends
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"no Kafka answers at {bootstrap} ({type(error).__name__})") from error


async def _partitions(consumer: Any, topic: str) -> list[int]:
    """Raises Unavailable where there is no such topic."""
    # `topics()` asks the same and keeps the names alone.
    cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001
    numbers = cluster.partitions_for_topic(topic)
    if not numbers:
        raise Unavailable(f"there is no topic {topic}: is the prefix right, and has a relay run?")
    return sorted(numbers)


async def _look(consumer: Any, reach: Reach) -> None:
    """aiokafka tells nobody that Kafka is away."""
    places = sorted(consumer.assignment())[:1]
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            async with asyncio.timeout(_ANSWER_S):
                await consumer.end_offsets(places)
            reach.there()
        except UNREACHABLE as error:
            reach.away(error)
        except KafkaError:
            continue


def _read(record: Any) -> Told | None:
    try:
        kind = type_of(record)
        if kind == CHANGED:
            return Told(record.partition, record.offset, read_change(record))
        if kind == HEARTBEAT:
            return Told(record.partition, record.offset, read_heartbeat(record))
    except NotUnderstood as fault:
        return Told(record.partition, record.offset, fault)
    return None
