"""Which processes are alive, and which keys they know (R19). By the database's clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from consent_service.storage.database import Connection


class KeyHolder(msgspec.Struct, frozen=True):
    """A process by the name it has among all that run, and the ids of its keys, those in use first."""

    holder: str
    lookup_ids: Sequence[str]
    sealing_ids: Sequence[str]


_HOLD = """
    insert into key_holders (holder, lookup_ids, sealing_ids, expires_at)
    values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
    on conflict (holder) do update set expires_at = excluded.expires_at
"""

_BURY = "delete from key_holders where expires_at < clock_timestamp()"

_READ = """
    select holder, lookup_ids, sealing_ids
    from key_holders
    where expires_at >= clock_timestamp()
    order by holder
"""

_LET_GO = "delete from key_holders where holder = $1"


async def hold_keys(connection: Connection, held: KeyHolder, seconds: float) -> None:
    """Count as alive for so long; those whose time is over are forgotten."""
    await connection.execute(_BURY)
    await connection.execute(_HOLD, held.holder, held.lookup_ids, held.sealing_ids, seconds)


async def read_key_holders(connection: Connection) -> list[KeyHolder]:
    """Those that are alive, by name."""
    return [KeyHolder(*row) for row in await connection.fetch(_READ)]


async def let_go_keys(connection: Connection, holder: str) -> None:
    await connection.execute(_LET_GO, holder)
