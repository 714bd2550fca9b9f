"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from consent_client import clock

#: What is worth trying again: too many requests, and a service that is away, full or without its database.
AGAIN = frozenset({429, 502, 503, 504})

_FIRST_S = 0.1
_LONGEST_S = 5.0


def pause_s(attempt: int, asked_s: float | None = None) -> float:
    """Full jitter, twice as wide each time (`attempt` counts from 1), on top of what the service asked for."""
    widest = min(_LONGEST_S, _FIRST_S * 2.0 ** min(attempt - 1, 16))
    return (asked_s or 0.0) + random.uniform(0, widest)  # noqa: S311 (no secret)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, seconds or a date; None without one that can be read."""
    told = headers.get("retry-after", "").strip()
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, (parsedate_to_datetime(told) - clock.now()).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
