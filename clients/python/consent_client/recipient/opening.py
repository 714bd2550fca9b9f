"""Which store is meant by a word."""

from __future__ import annotations

from pathlib import Path

from consent_client.recipient.memory import MemoryStore
from consent_client.recipient.postgres import PostgresStore
from consent_client.recipient.sqlite import SqliteStore
from consent_client.recipient.store import Store


def store_from(store: Store | str | Path | None) -> Store:
    """A `postgresql://` URL, the path of an SQLite file, a store of your own, or None for none that lasts."""
    if store is None:
        return MemoryStore()
    if isinstance(store, str) and store.startswith(("postgresql://", "postgres://")):
        return PostgresStore(store)
    if isinstance(store, str | Path):
        return SqliteStore(store)
    return store
