"""Which relay may publish which group of shards, and until when (R30). The database's clock alone counts."""

from __future__ import annotations

from consent_service.storage.database import Connection

_TAKE = """
update relay_leases
set holder = $1,
    epoch = epoch + case when holder = $1 then 0 else 1 end,
    expires_at = clock_timestamp() + $2 * interval '1 second'
where shard_group in (
    select shard_group
    from relay_leases
    where holder = $1 or holder is null or expires_at is null or expires_at < clock_timestamp()
    order by shard_group
    for update)
returning shard_group
"""


async def take_leases(connection: Connection, holder: str, lease_s: float) -> list[int]:
    """Renew the holder's own groups, take those that are free or expired. Returns all it holds, ascending.

    Durable, whatever the connection's setting: a lease that the server forgot would soon have two holders.
    """
    async with connection.transaction():
        await connection.execute("set local synchronous_commit = on")
        return sorted(row[0] for row in await connection.fetch(_TAKE, holder, lease_s))


_GIVE_BACK = """
update relay_leases
set holder = null, expires_at = null
where shard_group in (
    select shard_group from relay_leases where holder = $1 order by shard_group for update)
"""


async def give_back_leases(connection: Connection, holder: str) -> None:
    """Free the holder's groups at once, for whoever asks next."""
    await connection.execute(_GIVE_BACK, holder)
