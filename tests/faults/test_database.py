"""The database dies, is restarted, freezes, is full, or forgets to say that it committed: clear answers, nothing lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from consent_service.embedded import KafkaServer, PostgresServer
from tests.databases import make_template
from tests.events.streams import eventually
from tests.faults.callers import Answer
from tests.faults.load import PURPOSES, Load
from tests.faults.stage import Stage, set_stage

CLIENTS = 32
PAUSE_S = 0.05
BETWEEN = 150
COMMITTED_BUT_NOT_TOLD = "select pid from pg_stat_activity where wait_event = 'SyncRep'"


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


@pytest.mark.timeout(90)
async def test_R25_a_database_that_dies_and_one_that_is_restarted_lose_nothing(
    stage: Stage, fragile: PostgresServer
) -> None:
    service = await stage.start()
    persons = await stage.persons()
    question = f"/v1/subjects/{persons[0]}/permissions/{PURPOSES[0]}"
    load = Load([stage.url], stage.token, persons, seed=5)
    async with load.running(CLIENTS, pause_s=PAUSE_S):
        await load.more(BETWEEN)
        await fragile.kill()
        assert_away(await stage.ask("GET", question))
        assert_away(await is_ready(stage, 503))
        refused = load.statuses.get(503, 0)
        await load.heard(lambda: load.statuses[503] >= refused + CLIENTS)
        await fragile.restart()
        await load.more(BETWEEN)
        await fragile.restart()
        await load.more(BETWEEN)

    await is_ready(stage, 200)
    assert (await stage.ask("GET", question)).status == 200
    await stage.holds(load)
    assert await service.process.stop() == 0


@pytest.mark.timeout(90)
async def test_a_database_that_freezes_keeps_nobody_waiting_for_ever(
    stage: Stage, fragile: PostgresServer
) -> None:
    service = await stage.start(CONSENT_STATEMENT_TIMEOUT_S="1", CONSENT_LOCK_TIMEOUT_S="1")
    persons = await stage.persons()
    question = f"/v1/subjects/{persons[0]}/permissions/{PURPOSES[0]}"
    load = Load([stage.url], stage.token, persons, seed=6)
    async with AsyncExitStack() as stack:
        stack.callback(fragile.resume)
        async with load.running(CLIENTS, pause_s=PAUSE_S):
            await load.more(BETWEEN)
            fragile.pause()
            assert_away(await stage.ask("GET", question))
            assert_away(await is_ready(stage, 503))
            await load.heard(lambda: load.statuses.get(503, 0) >= CLIENTS)
            fragile.resume()
            await load.more(BETWEEN)
    await stage.holds(load)
    assert await service.process.stop() == 0
