"""A relay that stands still over its leases loses them to the others in time (R30)."""

from __future__ import annotations

import contextlib

from consent_service.domain.errors import Unavailable
from consent_service.storage import relay_leases
from consent_service.storage.database import open_database
from tests.databases import TestDatabase
from tests.events.streams import eventually

LET_GO_S = 8.0
GONE = "select not exists (select from pg_stat_activity where pid = $1)"


async def test_the_server_ends_the_transaction_of_one_that_stops_within_a_statement(
    database: TestDatabase,
) -> None:
    """Between the two halves of a statement it is not idle for the server, and the connection's own limit is longer."""
    watching = await database.connect()
    ended = False
    async with open_database(
        database.url("consent_relay"),
        connections_max=1,
        statement_timeout_s=10,
        lock_timeout_s=5,
        transactions_are_short=True,
        name="test",
    ) as opened:
        with contextlib.suppress(Unavailable):
            async with opened.session() as connection, connection.transaction():
                await connection.execute(relay_leases._SET)
                process = await connection.fetchval("select pg_backend_pid()")
                await connection.prepare("select from relay_leases")

                async def is_gone() -> bool:
                    return bool(await watching.fetchval(GONE, process))

                await eventually(is_gone, LET_GO_S)
                ended = True
    assert ended
    await watching.close()
