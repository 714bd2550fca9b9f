"""What every process opens with the settings: connections, keys, a name of its own."""

from __future__ import annotations

import base64
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from consent_service.settings import Secret, Settings, SettingsError
from consent_service.storage.database import Database, open_database
from consent_service.storage.keyring import Keyring


def keyring_from(settings: Settings) -> Keyring:
    """The keys that look up and seal. Raises SettingsError where one kind is missing."""
    missing = [name for name in ("lookup_keys", "sealing_keys") if not getattr(settings, name)]
    if missing:
        raise SettingsError("\n".join(f"CONSENT_{name.upper()}: is needed" for name in missing))
    return Keyring(_bytes(settings.lookup_keys), _bytes(settings.sealing_keys))


def _bytes(keys: Mapping[str, Secret]) -> dict[str, bytes]:
    return {name: base64.b64decode(value) for name, value in keys.items()}


@asynccontextmanager
async def open_pool(
    settings: Settings, url: str, name: str, *, synchronous_commit: bool = True
) -> AsyncIterator[Database]:
    """A pool with the settings' limits."""
    async with open_database(
        url,
        connections_max=settings.pool_connections_max,
        statement_timeout_s=settings.statement_timeout_s,
        lock_timeout_s=settings.lock_timeout_s,
        name=name,
        synchronous_commit=synchronous_commit,
        transactions_are_short=True,
    ) as database:
        yield database


def process_name() -> str:
    """Names this process among all that run; none that ran before had the same."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
