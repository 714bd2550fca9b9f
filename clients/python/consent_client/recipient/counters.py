"""What a recipient has done, for whoever watches it."""

from __future__ import annotations

import msgspec


class Counters(msgspec.Struct):
    """Since its start."""

    handled: int = 0
    """Changes that its handlers acted on."""
    repeated: int = 0
    """Changes that it knew already."""
    failed: int = 0
    """Calls of a handler that raised."""
    not_understood: int = 0
    acknowledged: int = 0
    dead_letters: int = 0
    parked: int = 0
    """Persons whose events wait, now."""
    lag: int | None = None
    """Messages on the partitions it holds that are not done, now; None before it holds any. Caught up at 0."""
    oldest_s: float = 0.0
    """How long ago the oldest of them was published."""
