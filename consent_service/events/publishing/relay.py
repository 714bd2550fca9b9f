"""From the outbox to Kafka: read in order, publish, wait for the acknowledgement, delete (R26, R30, CORE 20).

At least once, in order per subject, nothing skipped: a row leaves the outbox only after Kafka has its events, and
whatever goes wrong in between, the same rows are simply read again. Relays that run side by side share the groups of
shards; each group has a lane of its own (events/publishing/lane.py), so that one that stands still holds no other back.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial

from consent_service.domain.changes import Heartbeat
from consent_service.domain.errors import Unavailable
from consent_service.domain.partitions import SHARD_GROUPS, group_of, shards_of
from consent_service.events.publishing.filling import Filling
from consent_service.events.publishing.groups import (
    LEASE_MARGIN_S,
    LEASE_S,
    RENEW_AFTER_S,
    Groups,
    Work,
    delay_s,
)
from consent_service.events.publishing.kafka import Kafka, PublishingFailed, TopicsMissing
from consent_service.events.publishing.lane import Lane, Told
from consent_service.events.publishing.making import TopicMaker, TopicWatch
from consent_service.events.publishing.telling import Telling
from consent_service.events.publishing.trouble import Trouble
from consent_service.events.publishing.uplink import SEND_TIMEOUT_S
from consent_service.events.wire.heartbeats import BEGINNING
from consent_service.events.wire.topics import is_recipients, recipients_topics, topics_of
from consent_service.metrics import Metrics
from consent_service.storage.database import Connection, Database
from consent_service.storage.history import read_prefixes
from consent_service.storage.outbox import EventReader, Pointer, delete_pointers, read_pointers
from consent_service.storage.relaying import Backlog, read_backlog

#: How often each lane speaks on its partitions, and how often the outbox is counted for it.
HEARTBEAT_S = 5.0
LOOK_S = 2.0
#: How often topics that could not be made are tried again.
_MAKE_AGAIN_S = 30.0
#: Kafka forgets a name that has claimed nothing for a week, and with it whom to refuse.
_CLAIM_AGAIN_S = 24 * 60 * 60.0

#: After a batch the relay lets more gather, longer the fuller the batch was: a message alone costs the broker as much
#: as twenty together. At a few hundred a second nobody notices, and at thousands it carries them.
_GATHER_S_A_ROW = 0.0005
_GATHER_S_MAX = 0.015
_POLL_BUSY_S = 0.025
_POLL_IDLE_S = 0.25
_LET_GO_S = 2.0


class Relay:
    """Publishes what others stage. `holder` names this relay among all that run; no two may share one.

    `kafka` makes the producers that claim a name, and topics.
    """

    def __init__(
        self,
        database: Database,
        kafka: Kafka,
        metrics: Metrics,
        *,
        holder: str,
        batch_rows_max: int = 500,
        stop_s: float = 5.0,
    ) -> None:
        self._database = database
        self._maker = TopicMaker(
            database, kafka, holder=holder, lease_s=LEASE_S, others_stop_s=RENEW_AFTER_S + LEASE_MARGIN_S
        )
        self._watch = TopicWatch(kafka)
        self._metrics = metrics
        self._batch_rows_max = batch_rows_max
        self._stop_s = stop_s
        self._events = EventReader()
        self._filling = Filling(database, self._events)
        self._trouble = Trouble(metrics)
        self._wake = asyncio.Event()
        self._groups = Groups(kafka, holder, self._trouble, self._lane_done)
        self._published: list[Pointer] = []
        self._read_upto = -1
        self._passed_over = False
        self._look_at = float("-inf")
        self._wanted: tuple[str, ...] = ()
        """The topics that there should be; `topics` are those that there are, None before it is known, and `written`
        those of them that are not for recipients to write."""
        self._topics: set[str] | None = None
        self._written: set[str] = set()
        self._tried: tuple[str, ...] = ()
        self._make_at = float("-inf")
        self._backlog: Backlog | None = None
        self._telling = Telling()

    @property
    def failing(self) -> bool:
        """Whether something did not get through and was not made good since: Kafka or the database is away (R25)."""
        return self._trouble.is_on

    def wake(self) -> None:
        """Something was committed: look at once. Called on the relay's own event loop, as often as liked."""
        self._wake.set()

    def _lane_done(self) -> None:
        """What it may have more of is read at once; deleting alone can wait until there is something to read."""
        if self._passed_over:
            self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, and for `stop_s` at most what waits then; others may take over at once."""
        if stop.is_set():
            return
        working = asyncio.create_task(self._work(stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self._wake.set()
            await asyncio.wait({working}, timeout=self._stop_s)
        finally:
            for task in (working, stopping):
                task.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
            await self._watch.close()
            await self._groups.drop_all()
            await self._let_go()
        if not working.cancelled():
            working.result()

    async def _work(self, stop: asyncio.Event) -> None:
        """Round after round; the last ones begin after the stop, so that what came before it is published.

        What has failed by then is tried once more.
        """
        idle_s = _POLL_BUSY_S
        tried_once_more = False
        while True:
            stopping = stop.is_set()
            self._wake.clear()
            try:
                begun = await self._round()
            except (Exception, asyncio.CancelledError) as error:
                # Whatever it is, the rows are still there: try again.
                if _is_cancelled():
                    raise
                if stopping:
                    return
                await self._wait_after(error, stop)
                continue
            if stopping and begun:
                self._passed_over = True
            if stopping and not begun and not self._groups.are_busy and not self._published:
                if tried_once_more or not self.failing:
                    return
                tried_once_more = True
                self._groups.try_at_once()
                continue
            if begun == self._batch_rows_max:
                continue
            if not stopping:
                await asyncio.sleep(min(begun * _GATHER_S_A_ROW, _GATHER_S_MAX))
            idle_s = _POLL_BUSY_S if begun else min(idle_s * 2, _POLL_IDLE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._wake.wait()

    async def _round(self) -> int:
        """See what was finished, and begin what can be begun. Returns how many rows are under way by this round."""
        published, failures = self._groups.finish()
        self._published += published
        if any(isinstance(failure, TopicsMissing) for failure in failures):
            self._topics = None
        async with self._database.session() as connection:
            await self._groups.keep(connection)
            await self._delete(connection)
            await self._look_around(connection)
        await self._make_topics()
        if self._topics is None:
            return 0
        self._speak()
        async with self._database.session() as connection:
            told = await self._read(connection)
        for group, rows in told.items():
            work = self._groups[group]
            self._groups.begin(work, self._publish(work.lane, rows))
        self._trouble.over_for(self)
        return sum(map(len, told.values()))

    async def _make_topics(self) -> None:
        """Where some are missing, try now and then; those that there are do not wait for it."""
        if self._topics is not None and self._watch.is_missing(self._topics):
            self._topics = None
        now = asyncio.get_running_loop().time()
        tried = self._tried == self._wanted and now < self._make_at
        if self._topics is not None and (tried or self._topics.issuperset(self._wanted)):
            return
        self._tried, self._make_at = self._wanted, now + _MAKE_AGAIN_S
        self._topics = await self._maker.make(self._wanted, self._groups.drop_all)
        self._written = {topic for topic in self._topics or () if not is_recipients(topic)}

    async def _delete(self, connection: Connection) -> None:
        """What Kafka has leaves the outbox before more is read of the same lanes."""
        done = list(self._published)
        if done:
            await delete_pointers(connection, done)
            for kind, count in Counter(pointer.kind for pointer in done).items():
                self._metrics.published.labels(kind).inc(count)
            # A lane that failed meanwhile has put more behind them.
            del self._published[: len(done)]

    async def _read(self, connection: Connection) -> dict[int, list[Told]]:
        """The next rows of the lanes that may publish, by group."""
        topics = self._written
        ready = [work.lane.group for work in self._groups if work.is_free and work.lane.may_publish(topics)]
        self._passed_over = self._groups.are_busy
        shards = sorted(shard for group in ready for shard in shards_of(group))
        wanted = [shard for shard in shards if shard > self._read_upto] or shards
        pointers: list[Pointer] = []
        if wanted:
            pointers = await read_pointers(
                connection, wanted, self._batch_rows_max, but=self._telling.held_back
            )
        # A full batch may hold a few shards only: the others come first next time.
        self._read_upto = pointers[-1].shard if len(pointers) == self._batch_rows_max else -1
        if not pointers:
            return {}
        located = await self._events.read(connection, pointers)
        told: dict[int, list[Told]] = {}
        for one in self._telling.tell(pointers, located, topics):
            told.setdefault(group_of(one.pointer.shard), []).append(one)
        return told

    async def _publish(self, lane: Lane, told: Sequence[Told]) -> list[Pointer]:
        if asyncio.get_running_loop().time() + SEND_TIMEOUT_S > self._groups.held_until:
            self._groups.ask_again()
            return []
        published = await lane.publish(told)
        if published.failure is not None:
            self._published += published.pointers
            raise PublishingFailed("not every message was acknowledged") from published.failure
        return published.pointers

    def _speak(self) -> None:
        """Heartbeats where they are due, claims where there is none, and what a deleted topic lacks."""
        assert self._backlog is not None
        now = asyncio.get_running_loop().time()
        for work in self._groups:
            lane = work.lane
            if not work.is_free or now < work.retry_at:
                continue
            if lane.is_claimed and now - lane.claimed_at > _CLAIM_AGAIN_S:
                self._groups.begin(work, _giving_up(lane))
            elif now >= work.heartbeat_at or lane.lacks is None or not lane.may_write(self._written):
                # Once it is known what the topics lack there is more to say. Later not all at the same moment: what is
                # published waits for it.
                spread = random.uniform(0.8, 1.2)  # noqa: S311  jitter, no secret
                pause_s = 0.0 if lane.lacks is None else HEARTBEAT_S * spread
                work.heartbeat_at = now + pause_s
                self._groups.begin(work, self._say(lane, self._written, self._backlog))
            elif lane.lacks:
                self._groups.begin(work, self._fill(work))

    async def _say(self, lane: Lane, topics: Collection[str], backlog: Backlog) -> list[Pointer]:
        await lane.speak(topics, _heartbeat(lane, backlog))
        await self._filling.compare(lane, backlog.ledger_epoch)
        return []

    async def _fill(self, work: Work) -> list[Pointer]:
        """Afterwards it speaks at once, and what its topics lack is compared before anything new goes to them."""
        try:
            return await self._filling.fill(work.lane, partial(self._beat, work))
        finally:
            work.heartbeat_at = float("-inf")

    async def _beat(self, work: Work) -> None:
        """In between, while a lane fills a topic: it lives, and nothing of its group is up to date."""
        assert self._backlog is not None
        self._groups.got_through()
        now = asyncio.get_running_loop().time()
        if now >= work.heartbeat_at and work.lane.may_write(self._written):
            work.heartbeat_at = now + HEARTBEAT_S
            await work.lane.speak(self._written, _heartbeat(work.lane, self._backlog))

    async def _look_around(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._look_at:
            return
        self._backlog = await read_backlog(connection, SHARD_GROUPS)
        prefixes = sorted(set((await read_prefixes(connection)).values()))
        self._wanted = tuple(
            topic for prefix in prefixes for topic in (*topics_of(prefix), *recipients_topics(prefix))
        )
        self._metrics.outbox_rows.set(self._backlog.rows)
        self._metrics.outbox_oldest_seconds.set(self._backlog.oldest_age.total_seconds())
        self._metrics.held_back.set(len(self._telling.held_back))
        self._telling.look_again()
        self._look_at = loop.time() + LOOK_S

    async def _wait_after(self, error: BaseException, stop: asyncio.Event) -> None:
        """Waking does not shorten the wait."""
        self._trouble.begin_for(self, error)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s(self._trouble.tries)):
                await stop.wait()

    async def _let_go(self) -> None:
        """Give the leases back. Where that fails they expire."""
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_LET_GO_S), self._database.session() as connection:
                await self._groups.give_back(connection)


def _is_cancelled() -> bool:
    """Whether somebody wants this task to end: a library may end what we wait for in the same way."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _giving_up(lane: Lane) -> list[Pointer]:
    await lane.discard()
    return []


def _heartbeat(lane: Lane, backlog: Backlog) -> Heartbeat:
    """While a topic lacks something, or it is not known whether one does, nothing of it is up to date."""
    complete = lane.lacks is not None and not lane.lacks
    return Heartbeat(
        shard_group=lane.group,
        at=backlog.at,
        oldest_unpublished=backlog.oldest.get(lane.group, timedelta())
        if complete
        else backlog.at - BEGINNING,
        ledger_epoch=backlog.ledger_epoch,
    )
