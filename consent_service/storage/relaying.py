"""What a relay must know beside its rows: how far behind each group is, which topics there are, what they hold.

As role consent_relay (R30, R31).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from consent_service.storage.database import Connection


class Backlog(msgspec.Struct, frozen=True):
    """What waited in the outbox at one moment of the database's clock. `rows` are ROWS_COUNTED_MAX at most.

    `oldest` holds, for each group of shards in which something waits, how long its oldest row has.
    """

    at: datetime
    ledger_epoch: int
    rows: int
    oldest: dict[int, timedelta]

    @property
    def oldest_age(self) -> timedelta:
        """Zero where nothing waits."""
        return max(self.oldest.values(), default=timedelta())


_NOW = "select clock_timestamp(), (select max(epoch) from ledger_epoch)"

# The first row of each shard, along the index: an outbox that has grown for hours takes no longer than an empty one.
_OLDEST = """
select shards.shard % $1, min(first.staged_at)
from generate_series(0, 63) as shards (shard)
cross join lateral (
    select staged_at from outbox where outbox.shard = shards.shard order by position limit 1) as first
group by 1
"""

#: More are not counted.
ROWS_COUNTED_MAX = 100_000
_ROWS = "select count(*) from (select from outbox limit $1) as counted"


async def read_backlog(connection: Connection, groups: int) -> Backlog:
    """The moment is taken first: what is staged later does not count as published."""
    row = await connection.fetchrow(_NOW)
    assert row is not None
    at, epoch = row
    oldest = await connection.fetch(_OLDEST, groups)
    return Backlog(
        at=at,
        ledger_epoch=epoch,
        rows=await connection.fetchval(_ROWS, ROWS_COUNTED_MAX),
        oldest={group: max(at - staged_at, timedelta()) for group, staged_at in oldest},
    )


_LEDGER_ID = "select ledger_id from ledger_identity"


async def read_ledger_id(connection: Connection) -> UUID:
    """Which ledger this is, among all that publish to one Kafka."""
    ledger_id: UUID = await connection.fetchval(_LEDGER_ID)
    return ledger_id


class Filled(msgspec.Struct, frozen=True):
    """In which of its lives, and under which ledger epoch, a topic was given everything."""

    topic_id: UUID
    ledger_epoch: int


_READ_FILLED = "select topic, shard_group, topic_id, ledger_epoch from filled_topics"


async def read_filled(connection: Connection) -> dict[tuple[str, int], Filled]:
    """By topic and group of shards."""
    rows = await connection.fetch(_READ_FILLED)
    return {(row[0], row[1]): Filled(row[2], row[3]) for row in rows}


# Whether something of the group was published before: then it is in the outbox no more.
_TOLD_BEFORE = """
select exists (
    select from subjects
    join controllers on controllers.controller = subjects.controller
    where controllers.topic_prefix = $1
      and subjects.shard = any ($2::smallint[])
      and subjects.last_sequence > 0
      and not exists (
          select from outbox where outbox.subject_id = subjects.subject_id and outbox.kind = 'record'))
"""


async def was_told_before(connection: Connection, topic_prefix: str, shards: Sequence[int]) -> bool:
    """Whether there are persons in these shards whose records were all published already."""
    told: bool = await connection.fetchval(_TOLD_BEFORE, topic_prefix, shards)
    return told


_VERSIONS_TOLD_BEFORE = """
select exists (
    select from purpose_versions as told
    join controllers on controllers.controller = told.controller
    where controllers.topic_prefix = $1
      and not exists (
          select from outbox
          where outbox.kind = 'purpose' and outbox.controller = told.controller
            and outbox.purpose = told.purpose and outbox.sequence = told.version))
"""


async def versions_were_told_before(connection: Connection, topic_prefix: str) -> bool:
    """Whether there are purpose versions under this prefix that were published already."""
    told: bool = await connection.fetchval(_VERSIONS_TOLD_BEFORE, topic_prefix)
    return told


_FILLED = """
insert into filled_topics (topic, shard_group, topic_id, ledger_epoch) values ($1, $2, $3, $4)
on conflict (topic, shard_group) do update
set topic_id = excluded.topic_id, ledger_epoch = excluded.ledger_epoch, filled_at = clock_timestamp()
"""


async def put_filled(connection: Connection, topic: str, shard_group: int, filled: Filled) -> None:
    """Remember that this topic has everything of the group, or will get it from the outbox."""
    await connection.execute(_FILLED, topic, shard_group, filled.topic_id, filled.ledger_epoch)
