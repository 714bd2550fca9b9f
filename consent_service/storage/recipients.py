"""What recipients owe, as operators and recipients ask for it (R34)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.storage.database import Connection

#: No more of what a recipient owes is counted.
COUNTED_MAX = 100_000

_STANDINGS = """
    select named.recipient, owed.pending, owed.late, owed.oldest_owed_since, owed.earliest_due_at, said.received_at
    from unnest($2::text[]) with ordinality as named (recipient, place)
    left join lateral (
        select count(*) as pending,
               count(*) filter (where due_at <= $3) as late,
               min(owed_since) as oldest_owed_since,
               min(due_at) as earliest_due_at
        from (
            select owed_since, due_at
            from duties
            where controller = $1
              and recipient = named.recipient
              and settled_at is null
            order by owed_since
            limit $4) as oldest) as owed
        on true
    left join lateral (
        select received_at
        from acknowledgements
        where controller = $1
          and recipient = named.recipient
        order by received_at desc
        limit 1) as said
        on true
    order by named.place
"""

_PENDING = """
    select record_id, subject_id, purpose, sequence, allowed, owed_since, due_at
    from duties
    where controller = $1
      and recipient = $2
      and settled_at is null
      and (owed_since, subject_id, sequence) > ($3, $4, $5)
      and ($6::text[] is null or purpose = any ($6))
    order by owed_since, subject_id, sequence
    limit $7
"""


class Standing(msgspec.Struct, frozen=True):
    """How one recipient stands; at most COUNTED_MAX of what it owes are looked at, the oldest first."""

    recipient: str
    pending: int
    late: int
    oldest_owed_since: datetime | None
    earliest_due_at: datetime | None
    latest_acknowledgement_at: datetime | None


#: Where a page of what is pending has ended: since when it is owed, subject and sequence.
PendingPlace = tuple[datetime, UUID, int]


class PendingRow(msgspec.Struct, frozen=True):
    """A record that a recipient has not acknowledged."""

    record_id: UUID
    subject_id: UUID
    purpose: str
    sequence: int
    allowed: bool
    owed_since: datetime
    due_at: datetime

    @property
    def place(self) -> PendingPlace:
        return self.owed_since, self.subject_id, self.sequence


async def read_standings(
    connection: Connection, controller: str, recipients: Sequence[str], now: datetime
) -> list[Standing]:
    """How each of these stands, in their order."""
    rows = await connection.fetch(_STANDINGS, controller, list(recipients), now, COUNTED_MAX)
    return [Standing(*row) for row in rows]


async def read_pending(
    connection: Connection,
    controller: str,
    recipient: str,
    *,
    after: PendingPlace,
    purposes: Collection[str] | None,
    limit: int,
) -> list[PendingRow]:
    """The next records behind that place that the recipient has not acknowledged, of these purposes or of all."""
    wanted = None if purposes is None else sorted(purposes)
    rows = await connection.fetch(_PENDING, controller, recipient, *after, wanted, limit)
    return [PendingRow(*row) for row in rows]
