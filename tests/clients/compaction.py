"""Topics that Kafka's own cleaner has gone through, as it does within a day or so elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.events.streams import administrator, consumer, eventually, read_to_end

#: The cleaner takes what is overtaken as soon as it looks, tombstones too.
AT_ONCE = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.01",
    "segment.ms": "100",
    "max.compaction.lag.ms": "100",
    "delete.retention.ms": "100",
}
_BROKER = "1"
_PATIENCE_S = 50.0


@asynccontextmanager
async def an_eager_cleaner(bootstrap: str) -> AsyncIterator[None]:
    """While the block runs the broker's cleaner looks ten times a second, instead of every fifteen seconds."""
    async with administrator(bootstrap) as admin:
        backoff = {"log.cleaner.backoff.ms": "100"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, _BROKER, backoff)])
        try:
            yield
        finally:
            await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, _BROKER, {})])


async def compacted(
    bootstrap: str, topic: str, most: int, say_something: Callable[[], Awaitable[None]]
) -> None:
    """Return once every partition has lost messages from between others, and no more than `most` remain in all: the cleaner
    comes several times. `say_something` writes on each partition, without which the newest segment, which the cleaner leaves
    alone, would hold everything.
    """

    async def are_cleaned() -> bool:
        await say_something()
        offsets: dict[int, list[int]] = defaultdict(list)
        async with consumer(bootstrap) as reader:
            for message in await read_to_end(reader, topic):
                offsets[message.partition].append(message.offset)
        holes = all(some[-1] - some[0] >= len(some) for some in offsets.values())
        return holes and sum(map(len, offsets.values())) <= most

    async with an_eager_cleaner(bootstrap):
        await eventually(are_cleaned, _PATIENCE_S)
