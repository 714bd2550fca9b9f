"""The relay's topics: made when they are missing, and made again when somebody deleted them (R28, R31).

A topic that is made again is empty, and must be filled from the ledger before anything new goes to it. So all relays
are stopped first: a message that one of them is still trying to deliver to the topic would otherwise be the first on
the new one, ahead of all that is older.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from aiokafka.errors import KafkaError

from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.events.administration import administering, make_topics, missing_topics
from consent_service.events.kafka import CONNECT_TIMEOUT_S, Kafka, PublishingFailed
from consent_service.storage.database import Database
from consent_service.storage.relay_leases import held_leases, seize_leases
from consent_service.storage.relaying import read_filled

_log = logging.getLogger(__name__)


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

    async def make(self, topics: Collection[str], stop_ours: Callable[[], Awaitable[None]]) -> bool:
        """See to it that all of these exist. False where another relay does so now: try again later.

        Raises PublishingFailed where Kafka does not answer.
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S + self._others_stop_s):
                async with administering(self._kafka.bootstrap) as admin:
                    missing = await missing_topics(admin, topics)
                    if missing and not await self._others_stopped(missing, stop_ours):
                        return False
                    if missing:
                        await make_topics(admin, missing, self._kafka.replication)
        except (KafkaError, OSError, TimeoutError) as error:
            raise PublishingFailed("Kafka does not answer") from error
        return True

    async def _others_stopped(
        self, missing: Collection[str], stop_ours: Callable[[], Awaitable[None]]
    ) -> bool:
        """Whether nobody is delivering to one of these that was there before."""
        async with self._database.session() as connection:
            known = {topic for topic, _ in await read_filled(connection)}
            lost = sorted(known.intersection(missing))
            if not lost:
                return True
            await seize_leases(connection, self._holder, self._lease_s)
        for topic in lost:
            _log.warning("a topic was deleted: it is made and filled again", extra={"topic": topic})
        await stop_ours()
        await asyncio.sleep(self._others_stop_s)
        async with self._database.session() as connection:
            return await held_leases(connection, self._holder) == SHARD_GROUPS
