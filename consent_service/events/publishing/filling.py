"""Topics that were deleted, or that tell of an earlier ledger epoch, are filled again from the ledger (R31).

A group's lane publishes nothing else meanwhile: what is committed in the meantime comes afterwards from the outbox,
behind all that is older. It may come twice; nothing comes out of order.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from consent_service.domain.partitions import shards_of
from consent_service.events.publishing.lane import Lane, partitions_of
from consent_service.events.publishing.telling import messages_of
from consent_service.events.wire.messages import Message
from consent_service.events.wire.topics import kind_of, prefix_of
from consent_service.storage.database import Connection, Database
from consent_service.storage.history import (
    read_history,
    read_latest_versions,
    read_prefixes,
    read_standing,
)
from consent_service.storage.outbox import EventReader, Pointer
from consent_service.storage.relaying import (
    Filled,
    put_filled,
    read_filled,
    versions_were_told_before,
    was_told_before,
)

_log = logging.getLogger(__name__)

_PAGE_ROWS = 500
#: What a topic of each kind is filled with; notices are not told again.
_PAGES = {"changes": read_history, "state": read_standing}


class Filling:
    """Compares what topics there are with what was filled, and fills the others."""

    def __init__(self, database: Database, events: EventReader) -> None:
        self._database = database
        self._events = events

    async def compare(self, lane: Lane, ledger_epoch: int) -> None:
        """Find out what the lane's topics lack.

        A topic that is met for the first time lacks nothing: what is in the ledger is in the outbox too. If it is not,
        it was published before there was such a topic; of that the compacted ones must tell, and `changes` need not.
        """
        lacks: dict[str, Filled] = {}
        async with self._database.session() as connection:
            known = await read_filled(connection)
            for topic, topic_id in lane.lives.items():
                now = Filled(topic_id, ledger_epoch)
                before = known.get((topic, lane.group))
                if before is None and await self._came_late(connection, lane, topic):
                    lacks[topic] = now
                elif before is None:
                    await put_filled(connection, topic, lane.group, now)
                elif before != now:
                    lacks[topic] = now
        lane.lacks = lacks

    async def _came_late(self, connection: Connection, lane: Lane, topic: str) -> bool:
        kind = kind_of(topic)
        if kind == "purposes":
            return await versions_were_told_before(connection, prefix_of(topic))
        if kind == "state":
            return await was_told_before(connection, prefix_of(topic), shards_of(lane.group))
        return False

    async def fill(self, lane: Lane, beat: Callable[[], Awaitable[None]]) -> list[Pointer]:
        """Publish everything of the lane's group to the topics that lack it, marked as replayed. No row is done by it.

        `beat` is called after each page. Raises PublishingFailed or Unavailable; then it begins anew, as it does where
        another relay takes over.
        """
        for topic, filled in list((lane.lacks or {}).items()):
            count = 0
            _log.warning("a topic is filled again", extra={"topic": topic, "shard_group": lane.group})
            async for messages in self._messages(lane, topic):
                await lane.send(messages)
                count += len(messages)
                await beat()
            async with self._database.session() as connection:
                await put_filled(connection, topic, lane.group, filled)
            assert lane.lacks is not None
            del lane.lacks[topic]
            _log.info("a topic is filled", extra={"topic": topic, "shard_group": lane.group, "count": count})
        return []

    async def _messages(self, lane: Lane, topic: str) -> AsyncIterator[list[Message]]:
        async with self._database.session() as connection:
            prefixes = await read_prefixes(connection)
        controllers = [controller for controller, prefix in prefixes.items() if prefix == prefix_of(topic)]
        async for pointers in self._pages(lane, topic, controllers):
            async with self._database.session() as connection:
                located = await self._events.read(connection, pointers, replayed=True)
            for pointer in pointers:
                if pointer not in located:
                    extra = {"topic": topic, "controller": pointer.controller}
                    _log.error("a record cannot be read; the topic is filled without it", extra=extra)
            yield [
                message
                for pointer in pointers
                if pointer in located
                for message in messages_of(located[pointer], None)
                if message.topic == topic
            ]

    async def _pages(self, lane: Lane, topic: str, controllers: list[str]) -> AsyncIterator[list[Pointer]]:
        kind = kind_of(topic)
        if kind == "purposes" and partitions_of(topic, lane.group, 1):
            async with self._database.session() as connection:
                yield await read_latest_versions(connection, controllers)
        if kind not in _PAGES:
            return
        last: Pointer | None = None
        while True:
            async with self._database.session() as connection:
                page = await _PAGES[kind](
                    connection,
                    controllers=controllers,
                    shards=shards_of(lane.group),
                    after=last,
                    rows_max=_PAGE_ROWS,
                )
            if not page:
                return
            yield page
            last = page[-1]
