"""One partition that this member holds: which of its events are done, and the work on them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from consent_client.ending import end
from consent_client.recipient.store import Told


class LeftOff(Exception):
    """The partition is being given up: what is not done will be told again to whoever holds it next."""


class Partition:
    """Progress is the oldest event that is not done, whatever is done behind it."""

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.ledger_epoch: int | None = None
        self.next_offset: int | None = None
        """Of the first message not yet taken; None before it is known."""
        self.committed: int | None = None
        self.closed = asyncio.Event()
        self.taken_over = 0
        """Events of what stands, from elsewhere, that are not done: until they are, what is committed leads to them."""
        self._open: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, offset: int, timestamp_ms: int) -> None:
        self._open[offset] = timestamp_ms
        self.next_offset = offset + 1

    def skip(self, offset: int) -> None:
        """A message that asks for nothing."""
        self.next_offset = offset + 1

    def take_over(self) -> None:
        """An event from elsewhere begins."""
        self.taken_over += 1

    def done(self, told: Told) -> None:
        if told.topic == self.topic:
            self._open.pop(told.offset, None)
        else:
            self.taken_over -= 1

    @property
    def progress(self) -> int | None:
        """Everything below this offset is done; None before anything was taken. It waits for what is taken over."""
        if self.taken_over:
            return self.committed
        return next(iter(self._open), self.next_offset)

    @property
    def under_way(self) -> int:
        """Events that are not done."""
        return len(self._open)

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest event that is not done was published, in milliseconds since 1970."""
        return next(iter(self._open.values()), None)

    def work(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def pause(self, seconds: float) -> None:
        """Raises LeftOff as soon as the partition is given up."""
        try:
            async with asyncio.timeout(seconds):
                await self.closed.wait()
        except TimeoutError:
            return
        raise LeftOff

    async def idle(self) -> None:
        """Return once nothing of it is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self, finish_s: float) -> None:
        """Begin nothing more; handlers under way get so long to finish, then they are cancelled."""
        self.closed.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=finish_s)
        await end(*self._tasks)
