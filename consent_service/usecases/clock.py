"""The only place where time, new identifiers and new secrets come from."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)


def now() -> datetime:
    """This moment, in UTC, to the microsecond."""
    return datetime.now(UTC)


def new_id(at: datetime) -> UUID:
    """A UUID of version 7: microseconds since 1970 (RFC 9562, section 6.2, method 3), then 62 random bits (R20).

    Ids of different microseconds are in the order of their times.
    """
    milliseconds, rest = divmod((at - _EPOCH) // _MICROSECOND, 1000)
    random = int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=milliseconds << 80 | rest * 4096 // 1000 << 64 | _VERSION_AND_VARIANT | random)


def new_text(alphabet: str, characters: int) -> str:
    """So many characters of the alphabet, each by the system's own source of chance: nobody guesses them."""
    return "".join(secrets.choice(alphabet) for _ in range(characters))
