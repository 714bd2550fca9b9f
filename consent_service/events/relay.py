"""From the outbox to Kafka: read in order, publish, wait for the acknowledgement, delete (R26, R30, CORE 20).

At least once, in order per subject, nothing skipped: a row leaves the outbox only after Kafka has its event,
and whatever goes wrong in between, the same rows are simply read again. Several relays may run: a group of
shards is published by whoever holds its lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence

from consent_service.domain.errors import Unavailable
from consent_service.domain.partitions import shards_of
from consent_service.events.encode import encode
from consent_service.events.kafka import SEND_TIMEOUT_S, Publisher, PublishingFailed
from consent_service.events.messages import Message
from consent_service.metrics import Metrics
from consent_service.storage.database import Connection, Database
from consent_service.storage.outbox import (
    EventReader,
    Located,
    Pointer,
    delete_pointers,
    read_pointers,
    read_statistics,
)
from consent_service.storage.relay_leases import give_back_leases, take_leases

_log = logging.getLogger(__name__)

#: A dead relay's groups are free after this. Longer than sending may take, with time to renew in between.
LEASE_S = 9.0
_RENEW_AFTER_S = 2.0
#: The holder stops this much earlier than the database would let others in.
_LEASE_MARGIN_S = 1.0

#: After a batch the relay lets more gather, longer the fuller the batch was: a message alone costs the broker as much
#: as twenty together. At a few hundred a second nobody notices, and at thousands it carries them.
_GATHER_S_A_ROW = 0.0005
_GATHER_S_MAX = 0.015
_POLL_BUSY_S = 0.025
_POLL_IDLE_S = 0.25
_RETRY_S = 0.1
_RETRY_S_MAX = 2.0
_COUNT_EVERY_S = 5.0
_STOP_S = 2.0


class Relay:
    """Publishes what others stage. `holder` names this relay among all that run; no two may share one."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        metrics: Metrics,
        *,
        holder: str,
        batch_rows_max: int = 500,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._metrics = metrics
        self._holder = holder
        self._batch_rows_max = batch_rows_max
        self._events = EventReader()
        self._wake = asyncio.Event()
        self._shards: tuple[int, ...] = ()
        self._read_upto = -1
        self._held_until = self._renew_at = self._count_at = float("-inf")
        self._failures = 0
        self._failing_since = 0.0
        self._unreadable: set[int] = set()

    @property
    def failing(self) -> bool:
        """Whether the last try did not get through: Kafka or the database is away (R25)."""
        return self._failures > 0

    def wake(self) -> None:
        """Something was committed: look at once. Called on the relay's own event loop, as often as liked."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, which takes two seconds at most; then others may take over at once."""
        if stop.is_set():
            return
        working = asyncio.create_task(self._work(stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self._wake.set()
            await asyncio.wait({working}, timeout=_STOP_S)
        finally:
            for task in (working, stopping):
                task.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
            await self._publisher.close()
            await self._let_go()
        if not working.cancelled():
            working.result()

    async def _work(self, stop: asyncio.Event) -> None:
        """Round after round; the last ones begin after the stop, so that what came before it is published."""
        idle_s = _POLL_BUSY_S
        while True:
            stopping = stop.is_set()
            if stopping and self._failures:
                return
            self._wake.clear()
            try:
                done = await self._round()
            except Exception as error:  # noqa: BLE001  whatever it is, the rows are still there: try again
                if stopping:
                    return
                await self._after_failure(error, stop)
                continue
            self._after_success()
            if stopping and not done:
                return
            if stopping or done == self._batch_rows_max:
                continue
            await asyncio.sleep(min(done * _GATHER_S_A_ROW, _GATHER_S_MAX))
            idle_s = _POLL_BUSY_S if done else min(idle_s * 2, _POLL_IDLE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._wake.wait()

    async def _round(self) -> int:
        """One batch from the outbox to Kafka. Returns how many rows are done; raises what prevented it."""
        async with self._database.session() as connection:
            await self._keep_leases(connection)
            await self._count(connection)
            shards = [shard for shard in self._shards if shard > self._read_upto] or self._shards
            pointers = await read_pointers(connection, shards, self._batch_rows_max) if shards else []
            # A full batch may hold a few shards only: the others come first next time.
            self._read_upto = pointers[-1].shard if len(pointers) == self._batch_rows_max else -1
            if not pointers:
                return 0
            messages = self._encode(pointers, await self._events.read(connection, pointers))
            if not messages:
                return 0
            return await self._publish(connection, messages)

    async def _publish(self, connection: Connection, messages: Sequence[tuple[Pointer, Message]]) -> int:
        await self._publisher.prepare({message.topic for _, message in messages})
        if asyncio.get_running_loop().time() + SEND_TIMEOUT_S > self._held_until:
            self._renew_at = float("-inf")
            return 0
        sent = await self._publisher.send([message for _, message in messages])
        done = [messages[place][0] for place in sent.acknowledged]
        for pointer in done:
            self._metrics.published.labels(pointer.kind).inc()
        if done:
            await delete_pointers(connection, done)
        if sent.failure is not None:
            raise PublishingFailed("not every message was acknowledged") from sent.failure
        return len(done)

    def _encode(
        self, pointers: Sequence[Pointer], located: dict[Pointer, Located]
    ) -> list[tuple[Pointer, Message]]:
        """The messages in order. Where one cannot be made its subject or purpose waits; none is skipped."""
        messages: list[tuple[Pointer, Message]] = []
        blocked: set[tuple[object, ...]] = set()
        for pointer in pointers:
            lane = (pointer.kind, pointer.controller, pointer.subject_id, pointer.purpose)
            if lane in blocked:
                continue
            found = located.get(pointer)
            if found is None:
                blocked.add(lane)
                self._tell_unreadable(pointer)
                continue
            messages.append((pointer, encode(found.event, found.topic_prefix, pointer.traceparent)))
        return messages

    def _tell_unreadable(self, pointer: Pointer) -> None:
        if pointer.position not in self._unreadable:
            self._unreadable.add(pointer.position)
            _log.error(
                "an event cannot be read; what follows it waits",
                extra={"controller": pointer.controller, "position": pointer.position},
            )

    async def _keep_leases(self, connection: Connection) -> None:
        """Renew in time, take what is free. Our clock is read before the database's, so ours ends first."""
        now = asyncio.get_running_loop().time()
        if now < self._renew_at:
            return
        groups = await take_leases(connection, self._holder, LEASE_S)
        self._held_until = now + LEASE_S - _LEASE_MARGIN_S
        self._renew_at = now + _RENEW_AFTER_S
        shards = tuple(sorted(shard for group in groups for shard in shards_of(group)))
        if shards != self._shards:
            self._shards = shards
            _log.info("groups of shards to publish", extra={"count": len(groups)})

    async def _count(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._count_at:
            return
        statistics = await read_statistics(connection)
        self._metrics.outbox_rows.set(statistics.rows)
        self._metrics.outbox_oldest_seconds.set(statistics.oldest_age.total_seconds())
        self._count_at = now + _COUNT_EVERY_S

    async def _after_failure(self, error: Exception, stop: asyncio.Event) -> None:
        """One line for each time of trouble, however often it is tried; waking does not shorten the wait."""
        self._metrics.publish_failures.inc()
        self._failures += 1
        if self._failures == 1:
            self._failing_since = asyncio.get_running_loop().time()
            cause = error.__cause__ or error
            if isinstance(error, (PublishingFailed, Unavailable)):
                _log.warning("publishing stands still", extra={"error": type(cause).__name__})
            else:
                _log.error("publishing stands still", exc_info=error)
        delay_s = min(_RETRY_S * 2 ** min(self._failures - 1, 10), _RETRY_S_MAX)
        # Spread, so that several relays do not come back at the same moment.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s * random.uniform(0.5, 1.0)):  # noqa: S311
                await stop.wait()

    def _after_success(self) -> None:
        if self._failures:
            seconds = asyncio.get_running_loop().time() - self._failing_since
            _log.info(
                "publishing goes on", extra={"attempt": self._failures + 1, "seconds": round(seconds, 1)}
            )
            self._failures = 0

    async def _let_go(self) -> None:
        """Give the leases back. Where that fails they expire."""
        self._shards = ()
        self._renew_at = float("-inf")
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_STOP_S), self._database.session() as connection:
                await give_back_leases(connection, self._holder)
