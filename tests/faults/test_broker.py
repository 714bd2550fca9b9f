"""Kafka dies while many speak: the ledger goes on, and the events come afterwards (R25, R30)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer, PostgresServer
from tests.events.streams import eventually
from tests.faults.account import outbox_rows
from tests.faults.load import DECIDED, Load
from tests.faults.stage import Stage, set_stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

CLIENTS = 32
PAUSE_S = 0.3
BETWEEN = 100
AWAY_TIMES = soak(1, 10)
AWAY_S = 10.0
#: While the broker is away so many submissions are decided in every span of so many seconds.
STEADY, SPAN_S = 10, 2.0


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[KafkaServer]:
    async with KafkaServer(tmp_path / "kafka", cache_dir=cache_dir()) as broker:
        yield broker


@pytest.mark.timeout(soak(240, 1800))
async def test_R25_the_ledger_goes_on_without_a_broker_and_the_events_arrive_in_order(
    postgres: PostgresServer, broker: KafkaServer, tmp_path: Path
) -> None:
    async with set_stage(postgres, broker.bootstrap, tmp_path) as stage:
        service = await stage.start()
        load = Load([stage.url], stage.token, await stage.persons(), seed=25)
        async with load.running(CLIENTS, pause_s=PAUSE_S):
            for time in range(AWAY_TIMES):
                await load.more(BETWEEN)
                await broker.kill()
                await goes_on(load, AWAY_S)
                await is_told(stage, "degraded")
                waiting = await outbox_rows(stage.database)
                assert waiting > CLIENTS
                await broker.restart()
                await is_told(stage, "ready")
                _log.info("away %d of %d, %d events waited", time + 1, AWAY_TIMES, waiting)

        assert set(load.statuses) <= set(DECIDED)
        await stage.holds(load)
        assert await service.process.stop() == 0


async def goes_on(load: Load, away_s: float) -> None:
    """Return after so long; all the while submissions are decided."""
    loop = asyncio.get_running_loop()
    until = loop.time() + away_s
    while loop.time() < until:
        async with asyncio.timeout(SPAN_S):
            await load.more(STEADY)


async def is_told(stage: Stage, status: str) -> None:
    """Return once /readyz says so; the database answers all the while."""

    async def said() -> bool:
        answer = await stage.ask("GET", "/readyz")
        assert (answer.status, answer.content["database"]) == (200, True)
        return bool(answer.content["status"] == status)

    await eventually(said)
