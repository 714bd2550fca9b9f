"""The only place where time and new identifiers come from."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from uuid import UUID

_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)


def now() -> datetime:
    """This moment, in UTC, to the microsecond."""
    return datetime.now(UTC)


def new_id(at: datetime) -> UUID:
    """A UUID of version 7 (RFC 9562): milliseconds since 1970, then 74 random bits (R20)."""
    milliseconds = int(at.timestamp() * 1000)
    random = int.from_bytes(os.urandom(10))
    high = (random >> 62 & 0xFFF) << 64
    low = random & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | high | low)
