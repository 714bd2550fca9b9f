"""API keys, for machines that have no issuer: found when presented; made, listed and revoked by an operator.

A service only finds them: what makes and revokes works as role consent_owner (docs/decisions/0011-who-may-do-what.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from consent_service.domain.api_keys import (
    KEY_ID_ALPHABET,
    KEY_ID_LENGTH,
    SECRET_ALPHABET,
    SECRET_LENGTH,
    ApiKey,
    ApiKeyName,
    hash_api_key,
    write_api_key,
)
from consent_service.domain.audit import AuditAction
from consent_service.domain.durations import Duration, add_duration
from consent_service.domain.errors import (
    ConsentError,
    InvalidValue,
    NotFound,
    Overloaded,
    Unavailable,
    UnknownController,
)
from consent_service.storage.api_keys import (
    find_api_key,
    insert_api_key,
    keep_uses,
    list_api_keys,
    revoke_api_key,
)
from consent_service.storage.audit import insert_entries
from consent_service.storage.catalogue import read_purposes
from consent_service.storage.database import Connection, Database
from consent_service.usecases import clock
from consent_service.usecases.auditing import entry
from consent_service.usecases.submissions import Caller

#: How exactly it is known when a key was used last.
USES_EVERY = timedelta(minutes=1)


class ApiKeys:
    """Finds the keys that are presented, as role consent_service, and keeps when they were used."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = clock.now) -> None:
        self._database = database
        self._now = now
        self._uses: dict[ApiKeyName, datetime] = {}
        self._noted = asyncio.Event()

    async def find(self, name: ApiKeyName, digest: bytes) -> ApiKey | None:
        """The key whose text has this digest, also when it is expired or revoked; else None. Raises Unavailable."""
        async with self._database.transaction([name.controller], read_only=True) as connection:
            found = await find_api_key(connection, name)
        if found is None or not hmac.compare_digest(found[0], digest):
            return None
        return found[1]

    def note_use(self, key: ApiKey) -> None:
        """Let `keep_uses` write that the key was used now, unless the minute is known already."""
        now = self._now()
        if key.last_used_at is None or key.last_used_at <= now - USES_EVERY:
            self._uses[ApiKeyName(key.controller, key.key_id)] = now
            self._noted.set()

    async def keep_uses(self) -> None:
        """Write down for ever what was noted, beside everything else; what a database that is away misses is lost."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            uses, self._uses = self._uses, {}
            with contextlib.suppress(Overloaded, Unavailable):
                controllers = {name.controller for name in uses}
                async with self._database.transaction(controllers) as connection:
                    await keep_uses(connection, uses)


class WantedKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is to be: `name` is a slug that tells what machine holds it, `lifetime` is from now on."""

    name: str
    scopes: tuple[str, ...]
    lifetime: Duration
    purposes: tuple[str, ...] | None = None
    recipient: str | None = None


async def make_api_key(
    database: Database, caller: Caller, wanted: WantedKey, *, now: datetime
) -> tuple[ApiKey, str]:
    """A new key, and its text, which is known to nobody afterwards but its holder. Audited.

    Raises UnknownController; InvalidValue for a lifetime that is none, a purpose that the controller does not have, and
    acknowledgements without the recipient whose they are.
    """
    if "acknowledgements:write" in wanted.scopes and wanted.recipient is None:
        raise InvalidValue("A key with the scope acknowledgements:write names its recipient.")
    expires_at = add_duration(now, wanted.lifetime)
    if expires_at <= now:
        raise InvalidValue("A key lasts for longer than no time at all.")
    name = ApiKeyName(caller.controller, clock.new_text(KEY_ID_ALPHABET, KEY_ID_LENGTH))
    text = write_api_key(name, clock.new_text(SECRET_ALPHABET, SECRET_LENGTH))
    key = ApiKey(
        controller=name.controller,
        key_id=name.key_id,
        name=wanted.name,
        scopes=tuple(dict.fromkeys(wanted.scopes)),
        purposes=wanted.purposes,
        recipient=wanted.recipient,
        created_at=now,
        created_by=caller.subject,
        expires_at=expires_at,
    )
    async with database.transaction([caller.controller]) as connection:
        await _check_purposes(connection, caller.controller, wanted.purposes or ())
        await insert_api_key(connection, key, hash_api_key(text))
        told = entry(
            *(caller, AuditAction.API_KEY_MADE, now),
            key_id=key.key_id,
            name=key.name,
            scopes=key.scopes,
            purposes=key.purposes,
            recipient=key.recipient,
            expires_at=key.expires_at,
        )
        await insert_entries(connection, [told])
    return key, text


async def _check_purposes(connection: Connection, controller: str, purposes: Sequence[str]) -> None:
    known = await read_purposes(connection, controller)
    if known is None:
        raise unknown_controller(controller)
    unknown = [slug for slug in purposes if slug not in known.purposes]
    if unknown:
        raise InvalidValue(f"The controller has no purpose {unknown[0]!r}.")


async def api_keys_of(database: Database, controller: str) -> list[ApiKey]:
    """All that were ever made for the controller, the oldest first. Raises UnknownController."""
    async with database.transaction([controller], read_only=True) as connection:
        await _check_purposes(connection, controller, ())
        return await list_api_keys(connection, controller)


class RevokedBefore(ConsentError):
    """There is nothing left to do."""


async def revoke(database: Database, caller: Caller, key_id: str, *, now: datetime) -> ApiKey:
    """From now on nobody is let in by this key; processes that have just seen it learn of it later. Audited.

    Raises UnknownController, NotFound, RevokedBefore.
    """
    async with database.transaction([caller.controller]) as connection:
        await _check_purposes(connection, caller.controller, ())
        found = await find_api_key(connection, ApiKeyName(caller.controller, key_id))
        if found is None:
            raise NotFound(f"{caller.controller} has no API key {key_id!r}.")
        key = found[1]
        if not await revoke_api_key(connection, ApiKeyName(caller.controller, key_id), now):
            raise RevokedBefore(f"The API key {key_id} ({key.name}) was revoked before.")
        told = entry(caller, AuditAction.API_KEY_REVOKED, now, key_id=key_id, name=key.name)
        await insert_entries(connection, [told])
    return key


def unknown_controller(controller: str) -> UnknownController:
    return UnknownController(f"There is no controller {controller!r}; load its catalogue first.")
