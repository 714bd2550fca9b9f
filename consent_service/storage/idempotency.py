"""Remembered answers: rows of idempotency, written in the transaction of what they answer (R24, CORE 17)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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

# A key that another transaction holds is waited for. One that has lapsed is taken over; one that is in force
# changes nothing and is not returned: then the whole work is done again, and finds the answer.
_KEEP = """
    insert into idempotency (key, controller, fingerprint, status, answer, expires_at)
    select key, controller, fingerprint, status, answer, expires_at
    from unnest($1::bytea[], $2::text[], $3::bytea[], $4::smallint[], $5::bytea[], $6::timestamptz[])
        as new (key, controller, fingerprint, status, answer, expires_at)
    order by key
    on conflict (key) do update
    set controller = excluded.controller,
        fingerprint = excluded.fingerprint,
        status = excluded.status,
        answer = excluded.answer,
        expires_at = excluded.expires_at
    where idempotency.expires_at <= $7
    returning key
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


async def keep_answers(connection: Connection, answers: Sequence[Remembered], now: datetime) -> bool:
    """Remember these answers. False where a key came into force elsewhere meanwhile: nothing may be committed then."""
    rows = await connection.fetch(
        _KEEP,
        [one.key for one in answers],
        [one.controller for one in answers],
        [one.fingerprint for one in answers],
        [one.status for one in answers],
        [one.answer for one in answers],
        [one.expires_at for one in answers],
        now,
    )
    return len(rows) == len(answers)


async def sweep_answers(connection: Connection, now: datetime, rows_max: int) -> int:
    """Delete lapsed answers, a bounded number at a time. Returns how many went."""
    return len(await connection.fetch(_SWEEP, now, rows_max))
