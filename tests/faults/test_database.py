"""The database dies, is restarted, freezes, is full, or forgets to say that it committed: clear answers, nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from consent_service.embedded import KafkaServer, PostgresServer
from tests.databases import make_template
from tests.events.streams import eventually
from tests.faults.account import check, read_ledger
from tests.faults.callers import Answer, Caller
from tests.faults.load import PURPOSES, Load
from tests.faults.stage import Stage, set_stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

#: How often the database is killed and restarted, and how often nobody gets a connection.
AWAY_TIMES = soak(1, 20)
CLIENTS = 32
PAUSE_S = 0.05
BETWEEN = 150
#: Of a stop while the database is frozen: requests, ledger, relay and pools have their limits one after the other.
STOP_S_MAX = 20.0
COMMITTED_BUT_NOT_TOLD = (
    "select pid from pg_stat_activity where wait_event = 'SyncRep' and usename = 'consent_service'"
)
#: Connections that are neither the administrator's nor what `take_all_connections` took; one that begins has no name.
OTHERS = """
    from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid() and usename is distinct from 'consent_auditor'
"""


@pytest.fixture(scope="module")
async def fragile(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    """A PostgreSQL that may be broken; what it committed it keeps."""
    async with PostgresServer(tmp_path_factory.mktemp("fragile")) as server:
        await make_template(server)
        yield server


@pytest.fixture
async def stage(fragile: PostgresServer, kafka: KafkaServer, tmp_path: Path) -> AsyncIterator[Stage]:
    async with set_stage(fragile, kafka.bootstrap, tmp_path) as stage:
        yield stage


async def is_ready(stage: Stage, status: int) -> Answer:
    """What /readyz says once it answers so."""
    last: list[Answer] = []

    async def answered() -> bool:
        last[:] = [await stage.ask("GET", "/readyz")]
        return last[0].status == status

    await eventually(answered)
    return last[0]


def assert_away(answer: Answer) -> None:
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.content["type"] == "/problems/unavailable"
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.timeout(soak(180, 1800))
async def test_R25_a_database_that_dies_and_one_that_is_restarted_lose_nothing(
    stage: Stage, fragile: PostgresServer
) -> None:
    service = await stage.start()
    persons = await stage.persons()
    question = f"/v1/subjects/{persons[0]}/permissions/{PURPOSES[0]}"
    load = Load([stage.url], stage.token, persons, seed=5)
    async with load.running(CLIENTS, pause_s=PAUSE_S):
        await load.more(BETWEEN)
        for time in range(AWAY_TIMES):
            await fragile.kill()
            assert_away(await stage.ask("GET", question))
            assert_away(await is_ready(stage, 503))
            await load.refused(CLIENTS)
            await fragile.restart()
            await load.more(BETWEEN)
            await fragile.restart()
            await load.more(BETWEEN)
            _log.info("killed and restarted %d of %d, %s", time + 1, AWAY_TIMES, load.statuses)

    await is_ready(stage, 200)
    assert (await stage.ask("GET", question)).status == 200
    await stage.holds(load)
    assert await service.process.stop() == 0


@pytest.mark.timeout(180)
async def test_a_database_that_freezes_keeps_no_caller_waiting_for_ever_and_no_service_from_stopping(
    stage: Stage, fragile: PostgresServer
) -> None:
    service = await stage.start(
        CONSENT_STATEMENT_TIMEOUT_S="0.2", CONSENT_LOCK_TIMEOUT_S="0.2", CONSENT_SHUTDOWN_S="1"
    )
    persons = await stage.persons()
    paths = (
        f"/v1/subjects/{persons[0]}/permissions/{PURPOSES[0]}",
        f"/v1/subjects/{persons[0]}/records",
        "/readyz",
    )
    load = Load([stage.url], stage.token, persons, seed=6)
    async with AsyncExitStack() as stack:
        stack.callback(fragile.resume)
        async with load.running(CLIENTS, pause_s=PAUSE_S):
            await load.more(BETWEEN)
            fragile.pause()
            asked = await asyncio.gather(*(stage.ask("GET", path) for path in paths))
            await load.heard(lambda: 503 in load.statuses)
            fragile.resume()
            await load.more(BETWEEN)
            fragile.pause()
            assert await service.process.stop(limit_s=STOP_S_MAX) == 0
    for answer in asked:
        assert_away(answer)
    check(load, await read_ledger(stage.database))

    service = await stage.start()
    await stage.holds(load)
    assert await service.process.stop() == 0


async def test_R24_a_commit_whose_end_is_not_known_is_not_called_refused(
    stage: Stage, fragile: PostgresServer
) -> None:
    """It waits for a standby that does not exist; then its connection is cut. PostgreSQL has committed by then."""
    service = await stage.start()
    load = Load([stage.url], stage.token, await stage.persons(), seed=8)
    caller, said = Caller(stage.url, stage.token), load.speak()
    async with superuser(fragile) as administrator:
        await administrator.execute("alter system set synchronous_standby_names = 'nobody'")
        await administrator.execute("select pg_reload_conf()")
        try:
            first = asyncio.ensure_future(load.say(caller, said))
            cut = await until_there(administrator, COMMITTED_BUT_NOT_TOLD)
            await administrator.execute("select pg_terminate_backend($1)", cut)
            answer = await first
        finally:
            await administrator.execute("alter system reset synchronous_standby_names")
            await administrator.execute("select pg_reload_conf()")
    assert answer is not None
    assert_away(answer)
    assert "nothing was recorded" not in answer.content["detail"]
    assert len(await read_ledger(stage.database)) == len(said.sources)

    await load.insist(said, caller)
    caller.close()
    assert said.decided[0].replayed
    await stage.holds(load)
    assert await service.process.stop() == 0


@pytest.mark.timeout(soak(180, 1800))
async def test_a_database_without_a_free_connection_is_said_and_waited_out(
    stage: Stage, fragile: PostgresServer
) -> None:
    """Others take every connection that is free, then those that the service had."""
    service = await stage.start()
    load = Load([stage.url], stage.token, await stage.persons(), seed=53)
    async with superuser(fragile) as administrator, AsyncExitStack() as taken:
        async with load.running(CLIENTS, pause_s=PAUSE_S):
            await load.more(BETWEEN)
            for time in range(AWAY_TIMES):
                await take_all_connections(stage, administrator, taken)
                await load.refused(CLIENTS)
                assert_away(await is_ready(stage, 503))
                await taken.aclose()
                await load.more(BETWEEN)
                _log.info("out of connections %d of %d, %s", time + 1, AWAY_TIMES, load.statuses)

    await stage.holds(load)
    assert await service.process.stop() == 0


async def take_all_connections(
    stage: Stage, administrator: asyncpg.Connection, taken: AsyncExitStack
) -> None:
    """All that ordinary roles can have: free ones, and those that the service loses, until it has none."""

    async def alone() -> bool:
        return not await administrator.fetchval("select count(*)" + OTHERS)

    async def has_none() -> bool:
        await administrator.execute("select pg_terminate_backend(pid)" + OTHERS)
        before = await alone()
        with contextlib.suppress(asyncpg.TooManyConnectionsError):
            while True:
                taken.push_async_callback((await stage.database.connect("consent_auditor")).close)
        return before and await alone()

    await eventually(has_none)


@asynccontextmanager
async def superuser(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.url())
    try:
        yield connection
    finally:
        await connection.close()


async def until_there(administrator: asyncpg.Connection, statement: str) -> int:
    """The statement's value, once there is one."""
    found: list[int] = []

    async def is_there() -> bool:
        found[:] = [row[0] for row in await administrator.fetch(statement)]
        return bool(found)

    await eventually(is_there)
    return found[0]
