"""Remembered answers: rows of idempotency, written in the transaction of what they answer (R24, CORE 17)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from consent_service.storage.database import Connection


class Remembered(msgspec.Struct, frozen=True):
    """A kept answer: its HTTP-like status, a small JSON document, and the fingerprint of the request it answered."""

    key: bytes
    controller: str
    fingerprint: bytes
    status: int
    answer: bytes
    expires_at: datetime


_READ = """
    select key, controller, fingerprint, status, answer, expires_at
    from idempotency
    where key = any($1::bytea[])
      and expires_at > $2
"""

_SWEEP = """
    delete from idempotency
    where key = any (select key from idempotency where expires_at <= $1 order by expires_at limit $2)
    returning 1
"""


async def read_answers(
    connection: Connection, keys: Collection[bytes], now: datetime
) -> dict[bytes, Remembered]:
    """The answers in force for these keys."""
    rows = await connection.fetch(_READ, list(keys), now)
    return {row["key"]: msgspec.convert(dict(row), Remembered) for row in rows}


async def sweep_answers(connection: Connection, now: datetime, rows_max: int) -> int:
    """Delete lapsed answers, a bounded number at a time. Returns how many went."""
    return len(await connection.fetch(_SWEEP, now, rows_max))
