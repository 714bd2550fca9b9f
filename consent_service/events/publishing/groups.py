"""The groups of shards that this relay holds: their leases, their lanes, and what each lane does (R30)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.events.publishing.kafka import Kafka, Publisher, PublishingFailed
from consent_service.events.publishing.lane import Lane
from consent_service.events.publishing.trouble import Trouble
from consent_service.events.publishing.uplink import Uplink
from consent_service.storage.database import Connection
from consent_service.storage.outbox import Pointer
from consent_service.storage.relay_leases import give_back_leases, take_leases
from consent_service.storage.relaying import read_ledger_id

_log = logging.getLogger(__name__)

#: A dead relay's groups are free after this, and taken within the second.
LEASE_S = 7.0
RENEW_AFTER_S = 1.0
#: The holder stops this much earlier than the database would let others in.
LEASE_MARGIN_S = 1.0
#: A relay that gets nothing to Kafka for so long begins anew; if there are others, after as long a time.
STAND_BACK_S = 10.0
#: How soon it asks again while it holds more than its share.
_LEAVE_S = 0.1
_RETRY_S = 0.1
_RETRY_S_MAX = 2.0


class Work:
    """A lane, what it does at the moment, and how it fares. `task` gives the rows of which Kafka has everything.

    A lane that `leaves` begins nothing more, so that its group can be given back.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.task: asyncio.Task[list[Pointer]] | None = None
        self.heartbeat_at = float("-inf")
        self.failures = 0
        self.retry_at = float("-inf")
        self.leaves = False

    @property
    def is_free(self) -> bool:
        return self.task is None and not self.leaves


class Groups:
    """Keeps the leases and begins what lanes do. `wake` is called when a lane is done with something."""

    def __init__(self, kafka: Kafka, holder: str, trouble: Trouble, wake: Callable[[], None]) -> None:
        self._uplink = Uplink(kafka.bootstrap)
        self._holder = holder
        self._trouble = trouble
        self._wake = wake
        self._works: dict[int, Work] = {}
        self._names = ""
        self._renew_at = float("-inf")
        self._shared = False
        self._through_at = float("-inf")
        self.held_until = float("-inf")

    def __getitem__(self, group: int) -> Work:
        return self._works[group]

    def __iter__(self) -> Iterator[Work]:
        return iter(self._works.values())

    @property
    def are_busy(self) -> bool:
        return any(work.task is not None for work in self)

    def ask_again(self) -> None:
        """Something hints that a group may be another's: the leases tell."""
        self._renew_at = float("-inf")

    async def keep(self, connection: Connection) -> None:
        """Renew in time, take what is free. Our clock is read before the database's, so ours ends first."""
        now = asyncio.get_running_loop().time()
        if now < self._renew_at:
            return
        if not self._names:
            self._names = f"consent-relay-{await read_ledger_id(connection)}-"
        if self._nothing_gets_through(now):
            if self._shared:
                _log.warning("nothing gets through; the groups of shards are left to others")
                await self.drop_all()
                await self.give_back(connection)
                self._renew_at = now + STAND_BACK_S
                return
            await self._begin_anew()
        busy = {group for group, work in self._works.items() if work.task is not None}
        share, held = await take_leases(connection, self._holder, LEASE_S, busy=busy)
        self._shared = share < SHARD_GROUPS
        self.held_until = now + LEASE_S - LEASE_MARGIN_S
        self._renew_at = now + (RENEW_AFTER_S if len(held) <= share else _LEAVE_S)
        for place, group in enumerate(held):
            if group in self._works:
                self._works[group].leaves = place >= share
        if not held:
            self._trouble.over_for(self)
        if set(held) == self._works.keys():
            return
        for group in self._works.keys() - held:
            await self.drop(group)
        if not self._works:
            # Whoever seized them may make topics anew, to which nothing old of ours may go.
            await self._uplink.close()
            self.got_through()
        for group in held:
            if group not in self._works:
                name = f"{self._names}{group}"
                self._works[group] = Work(Lane(group, Publisher(self._uplink, name=name)))
        _log.info("groups of shards to publish", extra={"count": len(held)})

    async def _begin_anew(self) -> None:
        """With lanes and connections that know nothing of before: Kafka may be there, and these of no use any more."""
        # The trouble of the lanes ends with them, and is not over.
        self._trouble.begin_for(self, PublishingFailed("nothing gets through"))
        await self.drop_all()

    def got_through(self) -> None:
        """Kafka has something more of what a lane has to say."""
        self._through_at = asyncio.get_running_loop().time()

    def _nothing_gets_through(self, now: float) -> bool:
        """Whether every lane fails, or could not begin, for some time. One that fills a topic does neither."""
        stuck = bool(self._works) and all(work.failures or work.lane.lacks is None for work in self)
        return stuck and now - self._through_at > STAND_BACK_S

    def try_at_once(self) -> None:
        """Lanes that failed do not wait any longer until they try again."""
        for work in self:
            work.retry_at = float("-inf")

    def begin(self, work: Work, doing: Coroutine[Any, Any, list[Pointer]]) -> None:
        work.task = asyncio.create_task(doing)
        work.task.add_done_callback(lambda _: self._wake())

    def finish(self) -> tuple[list[Pointer], list[BaseException]]:
        """What lanes are done with: the rows that are published, and what failed."""
        published: list[Pointer] = []
        failures: list[BaseException] = []
        for work in self:
            if work.task is None or not work.task.done():
                continue
            task, work.task = work.task, None
            # A library that cancels what we wait for ends the task too.
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is None:
                published += task.result()
                work.failures = 0
                self.got_through()
                self._trouble.over_for(work)
                self._trouble.over_for(self)
                continue
            failures.append(error)
            work.failures += 1
            work.retry_at = asyncio.get_running_loop().time() + delay_s(work.failures)
            self._trouble.begin_for(work, error)
            self.ask_again()
        return published, failures

    async def drop_all(self) -> None:
        """Nothing of theirs is sent any more."""
        await asyncio.gather(*(self.drop(group) for group in list(self._works)))
        await self._uplink.close()
        self.ask_again()

    async def drop(self, group: int) -> None:
        """End a lane, with whatever it has under way: the group is another's, or nobody's."""
        work = self._works.pop(group)
        if work.task is not None:
            work.task.cancel()
            await asyncio.wait({work.task})
        self._trouble.over_for(work)
        await work.lane.discard()

    async def give_back(self, connection: Connection) -> None:
        """All of them, at once, for whoever asks next."""
        self.ask_again()
        self._trouble.over_for(self)
        await give_back_leases(connection, self._holder)


def delay_s(failures: int) -> float:
    """Longer with every failure; spread, so that several relays do not come back at the same moment."""
    longest: float = min(_RETRY_S * 2 ** min(failures - 1, 10), _RETRY_S_MAX)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  jitter, no secret
