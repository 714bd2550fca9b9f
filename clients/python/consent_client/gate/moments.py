"""What time it is, for a gate whose machine's clock may jump."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Nanoseconds. `wall` is the machine's clock, which may jump; `steady` only goes ahead, from anywhere.

    `now` never goes back: it passes with `steady`, and `wall` can only move it ahead. So what has ended once in this
    process stays ended when the machine's clock is set back.
    """

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.wall = wall
        self.steady = steady
        self.ahead = wall() - steady()

    def now(self) -> int:
        """Since 1970."""
        return self.at(self.wall(), self.steady())

    def at(self, wall: int, steady: int) -> int:
        """`now`, where both clocks have been read already."""
        ahead = wall - steady
        if ahead > self.ahead:
            self.ahead = ahead
            return wall
        return steady + self.ahead


def microseconds(moment: datetime) -> int:
    """Since 1970, exact."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def nanoseconds(moment: datetime) -> int:
    return microseconds(moment) * 1000


def from_microseconds(since: int) -> datetime:
    return _EPOCH + timedelta(microseconds=since)
