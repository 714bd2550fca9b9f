"""A service goes out of reach in the middle of a transaction, and never comes back: the others do not wait for it long."""

from __future__ import annotations

import asyncio
import logging
import signal

import pytest

from consent_service.embedded import PostgresServer
from consent_service.embedded.ports import free_port
from tests.events.streams import eventually
from tests.faults.cast import through
from tests.faults.load import Load
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

TIMES = soak(1, 10)
CLIENTS = 12
BETWEEN = 20
#: Within this time the service is caught in the middle of a transaction once.
CAUGHT_S = 60.0
STATEMENT_S = 0.5
#: What PostgreSQL waits for a client that says nothing, and time to be answered.
FREE_S_MAX = STATEMENT_S + 5 + 3
IN_TRANSACTION = """
    select exists (select from pg_stat_activity where usename = 'consent_service' and state = 'idle in transaction'
        and datname = current_database() and clock_timestamp() - state_change > interval '0.1 s')
"""


@pytest.mark.timeout(soak(240, 1200))
async def test_R23_nobody_stays_locked_by_a_service_that_is_out_of_reach(
    stage: Stage, postgres: PostgresServer
) -> None:
    timeouts = {"CONSENT_STATEMENT_TIMEOUT_S": str(STATEMENT_S), "CONSENT_LOCK_TIMEOUT_S": str(STATEMENT_S)}
    near = await stage.start(**timeouts)
    far_port = free_port()
    far_url = f"http://127.0.0.1:{far_port}"
    (person,) = await stage.persons(count=1)
    load = Load([near.url, far_url], stage.token, [person], seed=23)
    async with Proxy(postgres.port) as proxy:
        url = through(stage.environment["CONSENT_DATABASE_URL"], proxy.port)
        for time in range(TIMES):
            far = await stage.start(CONSENT_PORT=str(far_port), CONSENT_DATABASE_URL=url, **timeouts)
            async with load.running(CLIENTS):
                await load.more(BETWEEN)
                await eventually(lambda: lost_in_transaction(stage, proxy, load), CAUGHT_S)
                await far.process.stop(signal.SIGKILL)
                lost = asyncio.get_running_loop().time()
                async with asyncio.timeout(FREE_S_MAX):
                    await load.more(BETWEEN)
                seconds = asyncio.get_running_loop().time() - lost
                _log.info("out of reach %d of %d: free again after %.1f s", time + 1, TIMES, seconds)
            proxy.reset()
            await proxy.heal()

    await stage.holds(load)
    assert await near.process.stop() == 0


async def lost_in_transaction(stage: Stage, proxy: Proxy, load: Load) -> bool:
    """Nothing passes any more, and the server waits in the middle of a transaction; otherwise all passes again.

    It goes on for a while then: the service must be at work again before it can be caught at it.
    """
    connection = await stage.database.connect()
    try:
        proxy.swallow()
        await asyncio.sleep(0.15)
        if await connection.fetchval(IN_TRANSACTION):
            return True
        await proxy.heal()
        await load.more(BETWEEN)
        return False
    finally:
        await connection.close()
