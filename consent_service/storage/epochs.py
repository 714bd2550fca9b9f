"""The ledger's epochs, and what a restored ledger knows of what was published before, as role consent_owner (R31)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec

from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.storage.audit import AuditEntry, insert_entries
from consent_service.storage.database import Connection

_EPOCH = "select max(epoch) from ledger_epoch"


async def read_epoch(connection: Connection) -> int:
    """The epoch in force."""
    epoch: int = await connection.fetchval(_EPOCH)
    return epoch


_RELAYS = "select count(*) from relay_members where expires_at > clock_timestamp()"


async def count_relays(connection: Connection) -> int:
    """How many are alive."""
    alive: int = await connection.fetchval(_RELAYS)
    return alive


class PublishedRecord(msgspec.Struct, frozen=True):
    """What an event says of the record that it tells."""

    controller: str
    subject_id: UUID
    sequence: int
    record_id: UUID


_UNKNOWN_RECORDS = """
select told.place
from unnest($1::text[], $2::uuid[], $3::bigint[], $4::uuid[]) with ordinality
    as told (controller, subject_id, sequence, record_id, place)
left join records r on r.controller = told.controller and r.subject_id = told.subject_id
    and r.sequence = told.sequence
where r.record_id is distinct from told.record_id
order by told.place
"""


async def unknown_records(
    connection: Connection, published: Sequence[PublishedRecord]
) -> list[PublishedRecord]:
    """Those that the ledger does not have, or not at that place."""
    rows = await connection.fetch(
        _UNKNOWN_RECORDS,
        [one.controller for one in published],
        [one.subject_id for one in published],
        [one.sequence for one in published],
        [one.record_id for one in published],
    )
    return [published[row[0] - 1] for row in rows]


Pair = tuple[str, UUID, str]

_UNKNOWN_PAIRS = """
select told.place
from unnest($1::text[], $2::uuid[], $3::text[]) with ordinality as told (controller, subject_id, purpose, place)
where not exists (
    select
    from records r
    where r.controller = told.controller
      and r.subject_id = told.subject_id
      and r.purpose = told.purpose
)
order by told.place
"""


async def unknown_pairs(connection: Connection, pairs: Sequence[Pair]) -> set[Pair]:
    """Those of (controller, subject_id, purpose) of which the ledger has no record."""
    if not pairs:
        return set()
    controllers, subjects, purposes = zip(*pairs, strict=True)
    rows = await connection.fetch(_UNKNOWN_PAIRS, controllers, subjects, purposes)
    return {pairs[row[0] - 1] for row in rows}


_BEGIN = """
insert into ledger_epoch (epoch, reason) values ($1, $2)
on conflict (epoch) do nothing
returning epoch
"""

# Where a topic is not known to have been filled, a relay would take it for one that lacks nothing.
_OWE = """
insert into filled_topics (topic, shard_group, topic_id, ledger_epoch)
select topic, shard_group, $2, $3
from unnest($1::text[]) as topic, generate_series(0, $4 - 1) as shard_group
on conflict (topic, shard_group) do nothing
"""


async def begin_epoch(
    connection: Connection,
    epoch: int,
    reason: str,
    *,
    before: int,
    topics: Collection[str],
    told: Sequence[AuditEntry] = (),
) -> bool:
    """From now on this epoch is in force, and relays fill the topics again. False where it was begun already."""
    async with connection.transaction():
        await connection.execute(_OWE, list(topics), UUID(int=0), before, SHARD_GROUPS)
        begun = await connection.fetchval(_BEGIN, epoch, reason) is not None
        if begun:
            await insert_entries(connection, told)
        return begun
