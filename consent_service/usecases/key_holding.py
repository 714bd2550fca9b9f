"""A process says which keys it knows, so that a rotation never goes ahead of it (R19)."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from consent_service.domain.errors import Overloaded, Unavailable
from consent_service.storage.database import RETRYABLE, Database
from consent_service.storage.key_holders import KeyHolder, hold_keys, let_go_keys, read_key_holders
from consent_service.storage.keyring import Keyring

_log = logging.getLogger(__name__)

#: How often it is said, and for how long a process counts that has died without a word.
EVERY_S = 10.0
LAPSES_S = 30.0


async def hold(database: Database, keyring: Keyring, holder: str, stop: asyncio.Event) -> None:
    """Say it until told to stop, and then take it back. A database that is away is told at the next turn."""
    held = KeyHolder(holder, keyring.lookup_ids, keyring.sealing_ids)
    strangers: set[str] = set()
    while not stop.is_set():
        with contextlib.suppress(Overloaded, Unavailable, *RETRYABLE):
            async with database.session() as connection:
                await hold_keys(connection, held, LAPSES_S)
                others = await read_key_holders(connection)
            found = {one.holder for one in others if set(one.lookup_ids).isdisjoint(held.lookup_ids)}
            for stranger in sorted(found - strangers):
                _log.error(
                    "another process has no look-up key in common with this one: each makes a person of its own of "
                    "the same identifier",
                    extra={"holder": stranger},
                )
            strangers = found
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVERY_S):
                await stop.wait()
    with contextlib.suppress(Overloaded, Unavailable, *RETRYABLE):
        async with database.session() as connection:
            await let_go_keys(connection, holder)
