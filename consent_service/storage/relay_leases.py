"""Which relay may publish which group of shards, and until when (R30). The database's clock alone counts."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from consent_service.storage.database import Connection

# A holder that stands still in here must not keep the others out for longer than its lease, wherever in a statement.
_SET = """
set local synchronous_commit = on;
set local idle_in_transaction_session_timeout = '2s';
-- The connection's own runs since the transaction began, and is not shortened but by ending it.
set local transaction_timeout = 0;
set local transaction_timeout = '4s';
"""

#: Every relay takes these locks first and in this order, so they take turns.
_LOCK = """
select shard_group, holder,
    expires_at is null or expires_at < clock_timestamp()
        -- Of a time when the database's clock was ahead.
        or expires_at > clock_timestamp() + 10 * $1 * interval '1 second' as is_free
from relay_leases
order by shard_group
for update
"""

_ATTEND = """
insert into relay_members (holder, expires_at) values ($1, clock_timestamp() + $2 * interval '1 second')
on conflict (holder) do update set expires_at = excluded.expires_at
"""

_BURY = """
delete from relay_members
where expires_at < clock_timestamp() or expires_at > clock_timestamp() + 10 * $1 * interval '1 second'
"""
_ALIVE = "select count(*) from relay_members"

_TAKE = """
update relay_leases
set holder = $1,
    epoch = epoch + case when holder = $1 then 0 else 1 end,
    expires_at = clock_timestamp() + $2 * interval '1 second'
where shard_group = any ($3::smallint[])
"""

_FREE = "update relay_leases set holder = null, expires_at = null where shard_group = any ($1::smallint[])"


class _Lease(msgspec.Struct, frozen=True):
    shard_group: int
    holder: str | None
    is_free: bool


async def take_leases(
    connection: Connection, holder: str, lease_s: float, *, busy: Collection[int] = ()
) -> tuple[int, list[int]]:
    """Say that the holder is alive, and take its fair share of the groups. Returns the share, and all it holds.

    The share is as many groups as there are for each relay that is alive, rounded up. What a holder has above it goes
    back, but never a group that is `busy`: what is under way belongs to the holder. Those come first in what it holds.
    Durable, whatever the connection's setting: a lease that the server forgot would soon have two holders.
    """
    async with connection.transaction():
        await connection.execute(_SET)
        leases = [_Lease(*row) for row in await connection.fetch(_LOCK, lease_s)]
        await connection.execute(_ATTEND, holder, lease_s)
        await connection.execute(_BURY, lease_s)
        share = -(-len(leases) // await connection.fetchval(_ALIVE))
        own, given_back = _divide(leases, holder, share, busy)
        if given_back:
            await connection.execute(_FREE, given_back)
        await connection.execute(_TAKE, holder, lease_s, own)
    return share, own


def _divide(
    leases: list[_Lease], holder: str, share: int, busy: Collection[int]
) -> tuple[list[int], list[int]]:
    """What the holder has from now on, and what it gives back."""
    held = [lease.shard_group for lease in leases if lease.holder == holder]
    # Those that are busy are kept first.
    held.sort(key=lambda group: (group not in busy, group))
    kept = [group for place, group in enumerate(held) if place < share or group in busy]
    free = [lease.shard_group for lease in leases if lease.is_free and lease.holder != holder]
    own = kept + free[: max(0, share - len(kept))]
    return own, sorted(set(held) - set(own))


_SEIZE = """
update relay_leases
set holder = $1, epoch = epoch + 1, expires_at = clock_timestamp() + $2 * interval '1 second'
"""


async def seize_leases(connection: Connection, holder: str, lease_s: float) -> None:
    """Take every group, whoever holds it: they find out when they renew."""
    async with connection.transaction():
        await connection.execute(_SET)
        await connection.fetch(_LOCK, lease_s)
        await connection.execute(_SEIZE, holder, lease_s)


#: Held by the relay that makes topics again, for as long as its session.
_MAKING = 0x636F6E73656E7401
_MAY_MAKE = "select pg_try_advisory_lock($1)"
_HAS_MADE = "select pg_advisory_unlock($1)"


async def may_make_topics(connection: Connection) -> bool:
    """Whether no other relay does so now. Until `has_made_topics` on the same connection, none will."""
    may: bool = await connection.fetchval(_MAY_MAKE, _MAKING)
    return may


async def has_made_topics(connection: Connection) -> None:
    await connection.execute(_HAS_MADE, _MAKING)


_HELD = "select count(*) from relay_leases where holder = $1"


async def held_leases(connection: Connection, holder: str) -> int:
    """How many groups are the holder's."""
    held: int = await connection.fetchval(_HELD, holder)
    return held


_GIVE_BACK = """
update relay_leases
set holder = null, expires_at = null
where shard_group in (
    select shard_group from relay_leases where holder = $1 order by shard_group for update)
"""


_LEAVE = "delete from relay_members where holder = $1"


async def give_back_leases(connection: Connection, holder: str) -> None:
    """Free the holder's groups at once, for whoever asks next."""
    async with connection.transaction():
        await connection.execute(_SET)
        await connection.execute(_GIVE_BACK, holder)
        await connection.execute(_LEAVE, holder)
