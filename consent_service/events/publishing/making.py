"""The relay's topics: made when they are missing, and made again when somebody deleted them (R28, R31).

A topic that is made again is empty, and must be filled from the ledger before anything new goes to it. So all relays
are stopped first: a message that one of them is still trying to deliver to the topic would otherwise be the first on
the new one, ahead of all that is older.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiokafka.errors import KafkaError

from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.events.publishing.administration import (
    administering,
    kept_otherwise,
    make_topics,
    missing_topics,
)
from consent_service.events.publishing.kafka import CONNECT_TIMEOUT_S, Kafka, PublishingFailed
from consent_service.storage.database import Connection, Database
from consent_service.storage.relay_leases import (
    has_made_topics,
    held_leases,
    may_make_topics,
    seize_leases,
)
from consent_service.storage.relaying import read_filled

_log = logging.getLogger(__name__)

#: How often it is looked whether topics are still there to which no lane writes.
WATCH_S = 15.0


class TopicMaker:
    """Makes topics for one relay. `others_stop_s` is after which time no other relay publishes what was seized."""

    def __init__(
        self,
        database: Database,
        kafka: Kafka,
        *,
        holder: str,
        lease_s: float,
        others_stop_s: float,
    ) -> None:
        self._database = database
        self._kafka = kafka
        self._holder = holder
        self._lease_s = lease_s
        self._others_stop_s = others_stop_s
        self._refused: set[str] = set()
        self._looked_at: set[str] = set()

    async def make(
        self, topics: Collection[str], stop_ours: Callable[[], Awaitable[None]]
    ) -> set[str] | None:
        """Make what is missing of these. Returns those that exist then; None while another relay makes topics again.

        Raises PublishingFailed where Kafka does not answer.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S + self._others_stop_s):
                async with administering(self._kafka.bootstrap) as admin:
                    missing = await missing_topics(admin, topics)
                    await self._look_at_settings(admin, set(topics).difference(missing))
                    if not missing:
                        return set(topics)
                    return await self._make(admin, missing, topics, stop_ours)
        except (KafkaError, OSError, TimeoutError) as error:
            raise PublishingFailed("Kafka does not answer") from error

    async def _make(
        self,
        admin: Any,
        missing: Collection[str],
        topics: Collection[str],
        stop_ours: Callable[[], Awaitable[None]],
    ) -> set[str] | None:
        async with self._database.session() as connection:
            known = {topic for topic, _ in await read_filled(connection)}
            lost = sorted(known.intersection(missing))
            if not lost:
                return set(topics) - await self._made(admin, missing)
            if not await may_make_topics(connection):
                await stop_ours()
                return None
            try:
                if not await self._others_stopped(connection, lost, stop_ours):
                    return None
                return set(topics) - await self._made(admin, missing)
            finally:
                await has_made_topics(connection)

    async def _look_at_settings(self, admin: Any, topics: Collection[str]) -> None:
        """Say once of each topic that others made so that readers of the contract would be misled."""
        for topic, settings in (await kept_otherwise(admin, set(topics) - self._looked_at)).items():
            _log.error(
                "a topic is kept otherwise than the contract says: %s",
                settings,
                extra={"topic": topic},
            )
        self._looked_at.update(topics)

    async def _others_stopped(
        self, connection: Connection, lost: Collection[str], stop_ours: Callable[[], Awaitable[None]]
    ) -> bool:
        """Whether nobody is delivering any more to these, which were there before."""
        for topic in lost:
            _log.warning("a topic was deleted: it is made and filled again", extra={"topic": topic})
        await seize_leases(connection, self._holder, self._lease_s)
        await stop_ours()
        await asyncio.sleep(self._others_stop_s)
        return await held_leases(connection, self._holder) == SHARD_GROUPS

    async def _made(self, admin: Any, missing: Collection[str]) -> set[str]:
        """Those that could not be made: what belongs there waits, and the others go on."""
        left: set[str] = set()
        for topic in missing:
            try:
                await make_topics(admin, [topic], self._kafka.replication)
            except KafkaError as error:
                left.add(topic)
                if topic not in self._refused:
                    _log.error(
                        "a topic cannot be made", extra={"topic": topic, "error": type(error).__name__}
                    )
        self._refused = left
        return left


class TopicWatch:
    """Sees that a topic is gone to which no relay writes: one of those that recipients write.

    It looks beside the relay's work, and now and then: a lane notices at once where its own topics are gone.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._looking: asyncio.Task[list[str]] | None = None
        self._look_at: float | None = None

    def is_missing(self, topics: Collection[str]) -> bool:
        """Whether one of these, which were there, was gone when it was last looked; said once for each look."""
        now = asyncio.get_running_loop().time()
        if self._looking is None:
            if self._look_at is not None and now >= self._look_at:
                self._looking = asyncio.create_task(self._missing(frozenset(topics)))
            if self._look_at is None or now >= self._look_at:
                self._look_at = now + WATCH_S
            return False
        if not self._looking.done():
            return False
        looking, self._looking = self._looking, None
        missing = looking.result()
        for topic in missing:
            _log.warning("a topic was deleted: it is made again", extra={"topic": topic})
        return bool(missing)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None

    async def _missing(self, topics: Collection[str]) -> list[str]:
        """Where Kafka does not answer the lanes say so."""
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S), administering(self._kafka.bootstrap) as admin:
                return await missing_topics(admin, topics)
        return []
