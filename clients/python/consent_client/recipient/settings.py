"""The limits of a recipient, each with its unit."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from consent_client import clock


class Begin(StrEnum):
    """Where a group begins of which Kafka and the store know nothing."""

    STANDING = "standing"
    """With what stands for each person, whenever it was said; then with the changes."""
    EARLIEST = "earliest"
    """With the first change that Kafka still keeps, step by step."""
    NOW = "now"
    """With the next change. What was said before stays unheard."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Waits are drawn evenly between nothing and a bound that doubles with each try, up to its maximum."""

    handlers_max: int = 16
    """Handlers that run at the same moment, each for another person."""
    events_max: int = 1000
    """Events taken from Kafka and not yet done; at the bound fetching pauses."""
    tries_max: int = 5
    """Calls of a failing handler before the event is parked, `failed` is acknowledged and a dead letter is sent."""
    retry_s: float = 0.2
    retry_s_max: float = 10.0
    parked_retry_s: float = 5.0
    parked_retry_s_max: float = 900.0
    """Between two tries of a parked event, which go on for ever."""
    look_s: float = 1.0
    """How often parked events that are due, and an operator's words, are looked for."""
    commit_s: float = 1.0
    """How often progress is committed to Kafka."""
    finish_s: float = 10.0
    """How long handlers under way may go on when it stops or gives partitions up; then they are cancelled."""
    session_s: float = 10.0
    """After how long without a sign of life the group takes a member for dead."""
    answer_s: float = 10.0
    """How long Kafka may take to acknowledge what is sent."""

    def wait_s(self, tries: int) -> float:
        """Before the next call of a handler that failed so many times."""
        return _drawn(self.retry_s, self.retry_s_max, tries)

    def parked_until(self, tries: int) -> datetime:
        """When a parked event is due whose handler failed so many times."""
        after = tries - self.tries_max + 1
        return clock.now() + timedelta(seconds=_drawn(self.parked_retry_s, self.parked_retry_s_max, after))


def _drawn(first_s: float, most_s: float, tries: int) -> float:
    return random.uniform(0, min(first_s * 2 ** min(tries - 1, 30), most_s))  # noqa: S311  jitter, no secret
