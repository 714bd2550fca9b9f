"""What recipients owe and have not acknowledged in time (R34). As role consent_sweeper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.storage.database import Connection


class Late(msgspec.Struct, frozen=True):
    """A duty that nobody has been told of, past its deadline; and the shard of its subject."""

    controller: str
    subject_id: UUID
    sequence: int
    recipient: str
    purpose: str
    record_id: UUID
    owed_since: datetime
    due_at: datetime
    shard: int


_LATE = """
    select duties.controller, duties.subject_id, duties.sequence, duties.recipient, duties.purpose, duties.record_id,
           duties.owed_since, duties.due_at, subjects.shard
    from duties
    join subjects
        on subjects.controller = duties.controller
       and subjects.subject_id = duties.subject_id
    where duties.settled_at is null
      and duties.noticed_at is null
      and duties.due_at <= $1
    order by duties.due_at, duties.subject_id, duties.sequence, duties.recipient
    limit $2
"""

# Whoever is second at a row finds it noticed, settled, or promised for later.
_NOTICE = """
    update duties
    set noticed_at = $1
    from unnest($2::text[], $3::uuid[], $4::bigint[], $5::text[])
        as late (controller, subject_id, sequence, recipient)
    where duties.controller = late.controller
      and duties.subject_id = late.subject_id
      and duties.sequence = late.sequence
      and duties.recipient = late.recipient
      and duties.settled_at is null
      and duties.noticed_at is null
      and duties.due_at <= $1
    returning duties.controller, duties.subject_id, duties.sequence, duties.recipient
"""

_OLDEST = """
    select named.controller, named.recipient,
           (select min(owed_since)
            from duties
            where controller = named.controller
              and recipient = named.recipient
              and settled_at is null) as owed_since
    from unnest($1::text[], $2::text[]) as named (controller, recipient)
"""


async def read_late(connection: Connection, now: datetime, rows_max: int) -> list[Late]:
    """A page of what is late and was not noticed before, the longest late first."""
    return [Late(*row) for row in await connection.fetch(_LATE, now, rows_max)]


async def notice_late(connection: Connection, page: Sequence[Late], now: datetime) -> list[Late]:
    """Those of the page that this transaction is the first to notice."""
    rows = await connection.fetch(
        _NOTICE,
        now,
        [one.controller for one in page],
        [one.subject_id for one in page],
        [one.sequence for one in page],
        [one.recipient for one in page],
    )
    noticed = {tuple(row) for row in rows}
    return [one for one in page if (one.controller, one.subject_id, one.sequence, one.recipient) in noticed]


async def read_oldest(
    connection: Connection, recipients: Sequence[tuple[str, str]]
) -> list[tuple[str, str, datetime | None]]:
    """(controller, recipient, since when it owes the oldest of what it owes) for each of these."""
    rows = await connection.fetch(_OLDEST, [one[0] for one in recipients], [one[1] for one in recipients])
    return [(row[0], row[1], row[2]) for row in rows]
