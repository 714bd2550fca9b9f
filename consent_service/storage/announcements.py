"""Telling relays in other processes that something was committed, by PostgreSQL's NOTIFY.

Sent outside the ledger's transactions, because one that notifies holds a lock of the whole server while it commits.
An announcement may be lost: a relay looks by itself too, only later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import asyncpg

from consent_service.domain.errors import ConsentError
from consent_service.storage.database import AWAY, Database

CHANNEL = "consent_outbox"
#: Not worth a flush: it is lost with the server anyway.
_NOTIFY = f"set local synchronous_commit = off; notify {CHANNEL}"
#: How long a listener that lost its connection waits before it asks for another.
AGAIN_S = 1.0
_CONNECT_S = 5.0
#: How often a listener that hears nothing makes sure that its connection still stands.
_STANDS_S = 30.0


class Announcer:
    """Announces what was committed; what is committed meanwhile goes into the next announcement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._due = asyncio.Event()

    def wake(self) -> None:
        """Something was committed. Called on the announcer's own event loop, as often as liked."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled. While the database is away there is nothing to announce."""
        while True:
            await self._due.wait()
            self._due.clear()
            # Whatever keeps it from being told: a relay looks by itself too.
            with contextlib.suppress(ConsentError, asyncpg.PostgresError):
                async with self._database.session() as connection:
                    await connection.execute(_NOTIFY)


async def hear_announcements(url: str, heard: Callable[[], None]) -> None:
    """Until cancelled, call `heard` for every announcement, and once for each connection: some may have been missed.

    Takes a connection of its own, which no pooler in transaction mode may stand before.
    """
    while True:
        with contextlib.suppress(*AWAY, asyncpg.PostgresError):
            connection = await asyncpg.connect(
                url, timeout=_CONNECT_S, server_settings={"application_name": "consent-relay-listener"}
            )
            lost = asyncio.Event()
            try:
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                await connection.add_listener(CHANNEL, lambda *_: heard())
                heard()
                while not lost.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_STANDS_S):
                            await lost.wait()
                    await connection.fetchval("select 1", timeout=_CONNECT_S)
            finally:
                connection.terminate()
        await asyncio.sleep(AGAIN_S)
