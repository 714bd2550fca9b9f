"""One subject's events one after the other, different subjects' side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from consent_client.recipient.partition import LeftOff, Partition

Work = Callable[[], Awaitable[None]]


class Lanes:
    """`queued` counts what was put and is not done, over all lanes; `broken` gets what should never be raised."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Work]] = {}
        self._room = asyncio.Event()
        self.queued = 0
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def put(self, partition: Partition, subject: str, work: Work) -> None:
        """Behind what was put of the subject. Dropped where the partition is given up before its turn comes."""
        self.queued += 1
        lane = self._lanes.get(subject)
        if lane is not None:
            lane.append(work)
            return
        lane = self._lanes[subject] = deque([work])
        partition.work(self._run(partition, subject, lane))

    def is_busy(self, subject: str) -> bool:
        return subject in self._lanes

    async def room(self, queued_max: int, limit_s: float) -> bool:
        """Whether no more than so many are queued, now or within the limit."""
        try:
            async with asyncio.timeout(limit_s):
                while self.queued > queued_max:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            return False
        return True

    async def _run(self, partition: Partition, subject: str, lane: deque[Work]) -> None:
        try:
            while lane and not partition.closed.is_set():
                await lane[0]()
                lane.popleft()
                self.queued -= 1
                self._room.set()
        except LeftOff:
            pass
        except Exception as error:  # noqa: BLE001  a mistake in this package: nothing of the subject may go on
            if not self.broken.done():
                self.broken.set_exception(error)
        finally:
            self.queued -= len(lane)
            self._room.set()
            del self._lanes[subject]
