"""The same feed without Kafka: places to read from, and who reads (R32, docs/EVENTS.md).

A reader at the live end is served from the window that all readers of a topic share. One that begins further back
reads from Kafka by itself until it has reached the window in every partition, then goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from consent_service.domain.errors import Overloaded, Unavailable
from consent_service.events.feed.follower import Follower, ahead, check_same_topic, look_at, no_longer_kept
from consent_service.events.feed.places import Place, read_place
from consent_service.events.feed.reader import Reader
from consent_service.events.feed.window import Audience
from consent_service.events.wire.topics import changes_topic
from consent_service.metrics import Metrics
from consent_service.usecases.submissions import Caller

#: A reader hears something at least once in `heartbeat_s`: it is looked at so many times in between.
_TICKS = 4
#: A topic that changes its life between two steps is looked for again.
_TRIES = 2


class Feed:
    """All followers and readers of a process. `prefix_of` tells under which prefix a controller's topics are, and
    `read_epoch` in which epoch the ledger is.

    At most `readers_max` streams are open, and `catch_ups_max` of them read from Kafka by themselves. One controller
    has at most half of either, rounded up, so that it never keeps out all others.
    """

    def __init__(
        self,
        bootstrap: str,
        prefix_of: Callable[[str], Awaitable[str]],
        read_epoch: Callable[[], Awaitable[int]],
        metrics: Metrics,
        *,
        heartbeat_s: float = 15.0,
        window_rows_max: int = 10_000,
        readers_max: int = 2_000,
        catch_ups_max: int = 8,
    ) -> None:
        self._bootstrap = bootstrap
        self._prefix_of = prefix_of
        self._read_epoch = read_epoch
        self._metrics = metrics
        self._heartbeat_s = heartbeat_s
        self._window_rows_max = window_rows_max
        self._readers_max = readers_max
        self._catch_ups_max = catch_ups_max
        self._followers: dict[str, asyncio.Task[Follower]] = {}
        self._readers: set[Reader] = set()
        self._stopped = False

    async def open(self, caller: Caller, after: str | None) -> Reader:
        """Begin behind the event of that id, or else with what comes from now on.

        Raises InvalidRequest where the text is no id, NoLongerKept, Overloaded, Unavailable. Close what you get.
        """
        place = None if after is None else read_place(after)
        self._check_room(caller.controller)
        follower = await self._follower(caller.controller, place)
        follower.readers += 1
        try:
            catches_up = place is not None and await self._locate(follower, place)
            self._check_room(caller.controller, catches_up=catches_up)
        except BaseException:
            follower.readers -= 1
            raise
        reader = Reader(
            follower,
            Audience(caller.controller, caller.purposes),
            place,
            self._metrics,
            catches_up=catches_up,
            heartbeat_s=self._heartbeat_s,
            closed=self._readers.discard,
        )
        self._readers.add(reader)
        return reader

    async def newest(self, controller: str) -> str:
        """The id from which on comes everything that is published from now on. Raises Unavailable."""
        follower = await self._follower(controller, None)
        for _ in range(_TRIES):
            if await follower.current():
                return (await follower.newest()).token.decode()
            follower = await self._follower(controller, None)
        raise Unavailable("The topic was made anew at this moment.")

    async def stop(self) -> None:
        """End every stream, and open none any more."""
        self._stopped = True
        started = [task for task in self._followers.values() if task.done()]
        for task in self._followers.values():
            task.cancel()
        working = [task.result() for task in started if not task.cancelled() and not task.exception()]
        await asyncio.gather(*(follower.close() for follower in working))

    def _check_room(self, controller: str, *, catches_up: bool = False) -> None:
        if self._stopped:
            raise Unavailable("The service stops.")
        if _is_full(list(self._readers), controller, self._readers_max):
            raise Overloaded("Too many follow the changes here. Try again.")
        catching_up = [reader for reader in self._readers if reader.catches_up]
        if catches_up and _is_full(catching_up, controller, self._catch_ups_max):
            raise Overloaded("Too many are catching up with the changes here. Try again.")

    async def _follower(self, controller: str, place: Place | None) -> Follower:
        """The follower of the controller's topic, as it is now where a place of another topic is asked for.

        Raises NoLongerKept where the place is of no topic that is there, Unavailable.
        """
        topic = changes_topic(await self._prefix_of(controller))
        epoch = await self._read_epoch()
        for _ in range(_TRIES):
            follower = await self._following(topic, epoch)
            if place is None or check_same_topic(place, follower.window.newest):
                return follower
            if await follower.current():
                break
        raise no_longer_kept()

    async def _following(self, topic: str, epoch: int) -> Follower:
        task = self._followers.get(topic)
        if task is not None and _works(task) and task.result().ledger_epoch < epoch:
            await task.result().close()
        task = self._followers.get(topic)
        if task is None or (task.done() and not _works(task)):
            task = self._followers[topic] = asyncio.create_task(self._start(topic, epoch))
            task.add_done_callback(look_at)
        # Others wait for it too.
        follower = await asyncio.shield(task)
        follower.touch()
        return follower

    async def _start(self, topic: str, epoch: int) -> Follower:
        if self._stopped:
            raise Unavailable("The service stops.")
        follower = Follower(
            self._bootstrap,
            topic,
            epoch,
            self._read_epoch,
            window_rows_max=self._window_rows_max,
            tick_s=self._heartbeat_s / _TICKS,
        )
        try:
            await follower.start()
        except asyncio.CancelledError:
            await follower.close()
            raise
        return follower

    @staticmethod
    async def _locate(follower: Follower, place: Place) -> bool:
        """Whether a reader has to catch up from there. Raises NoLongerKept, Unavailable."""
        window = follower.window
        covered = window.covers(place)
        if not covered or ahead(place, window.newest.offsets):
            await follower.check_kept(place)
        return not window.covers(place)


def _is_full(readers: Sequence[Reader], controller: str, most: int) -> bool:
    """Whether there is no room for one more, or none for one more of the controller's."""
    own = sum(reader.controller == controller for reader in readers)
    return len(readers) >= most or own >= (most + 1) // 2


def _works(task: asyncio.Task[Follower]) -> bool:
    """Whether the follower has started, and goes on."""
    return task.done() and not task.cancelled() and task.exception() is None and not task.result().ended


@asynccontextmanager
async def open_feed(feed: Feed, stop: asyncio.Event) -> AsyncIterator[Feed]:
    """The feed while the block runs; its streams end as soon as `stop` is set."""

    async def end() -> None:
        await stop.wait()
        await feed.stop()

    ending = asyncio.create_task(end(), name="end of the feed")
    try:
        yield feed
    finally:
        ending.cancel()
        await asyncio.wait({ending})
        await feed.stop()
