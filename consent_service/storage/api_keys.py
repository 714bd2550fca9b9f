"""API keys' rows: found and marked as used as role consent_service; made, listed and revoked as role consent_owner."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from consent_service.domain.api_keys import ApiKey, ApiKeyName
from consent_service.storage.database import Connection

_FIND = """
    select hash, controller, key_id, name, scopes, purposes, recipient, created_at, created_by, expires_at,
           last_used_at, revoked_at
    from api_keys
    where controller = $1
      and key_id = $2
"""


async def find_api_key(connection: Connection, name: ApiKeyName) -> tuple[bytes, ApiKey] | None:
    """The key of that name with its hash, whatever became of it since."""
    row = await connection.fetchrow(_FIND, name.controller, name.key_id)
    if row is None:
        return None
    digest, *columns = row
    return digest, _key(columns)


def _key(columns: list[object]) -> ApiKey:
    fields = dict(zip(ApiKey.__struct_fields__, columns, strict=True))
    return msgspec.convert(fields, ApiKey)


# Of several processes, and of uses that come one upon the other, one writes.
_KEEP_USES = """
    update api_keys
    set last_used_at = used.at
    from unnest($1::text[], $2::text[], $3::timestamptz[]) as used (controller, key_id, at)
    where api_keys.controller = used.controller
      and api_keys.key_id = used.key_id
      and (api_keys.last_used_at is null or api_keys.last_used_at <= used.at - interval '1 minute')
"""


async def keep_uses(connection: Connection, uses: Mapping[ApiKeyName, datetime]) -> None:
    """When keys were used last; nothing where that is known to the minute already."""
    names = list(uses)
    await connection.execute(
        _KEEP_USES,
        [name.controller for name in names],
        [name.key_id for name in names],
        [uses[name] for name in names],
    )


_INSERT = """
    insert into api_keys (
        controller, key_id, hash, name, scopes, purposes, recipient, created_at, created_by, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def insert_api_key(connection: Connection, key: ApiKey, digest: bytes) -> None:
    await connection.execute(
        _INSERT,
        key.controller,
        key.key_id,
        digest,
        key.name,
        key.scopes,
        key.purposes,
        key.recipient,
        key.created_at,
        key.created_by,
        key.expires_at,
    )


_LIST = """
    select controller, key_id, name, scopes, purposes, recipient, created_at, created_by, expires_at, last_used_at,
           revoked_at
    from api_keys
    where controller = $1
    order by created_at, key_id
"""


async def list_api_keys(connection: Connection, controller: str) -> list[ApiKey]:
    """All that were ever made for the controller, the oldest first."""
    return [_key(list(row)) for row in await connection.fetch(_LIST, controller)]


_REVOKE = """
    update api_keys
    set revoked_at = $3
    where controller = $1
      and key_id = $2
      and revoked_at is null
    returning name
"""


async def revoke_api_key(connection: Connection, name: ApiKeyName, at: datetime) -> bool:
    """From now on nobody is let in by it. False where there is no such key, or it was revoked before."""
    return await connection.fetchval(_REVOKE, name.controller, name.key_id, at) is not None
