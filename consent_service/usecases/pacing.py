"""How fast work that can wait may go, so that it never stands before people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


def running_seconds() -> float:
    """The running loop's own clock, which no step of the wall clock moves."""
    return asyncio.get_running_loop().time()


class Pace:
    """No more than so many rows a second, whatever the work itself takes; a pause is not made up for."""

    def __init__(
        self,
        rows_per_s: int,
        *,
        seconds: Callable[[], float] = running_seconds,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rows_per_s = rows_per_s
        self._seconds = seconds
        self._sleep = sleep
        self._free_at = float("-inf")
        self._began_at = float("-inf")

    async def wait(self) -> None:
        """Until what was spent before is paid for."""
        now = self._seconds()
        if now < self._free_at:
            await self._sleep(self._free_at - now)
        self._began_at = self._seconds()

    def spend(self, rows: float) -> None:
        """So much was done since the last wait."""
        self._free_at = max(self._free_at, self._began_at) + rows / self._rows_per_s
