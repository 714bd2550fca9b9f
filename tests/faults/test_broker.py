"""Kafka dies while many speak: the ledger goes on, and the events come afterwards (R25, R30)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer, PostgresServer
from tests.events.streams import eventually
from tests.faults.load import DECIDED, Load
from tests.faults.stage import Stage, set_stage

CLIENTS = 32
PAUSE_S = 0.2
#: So many submissions are decided while the broker is away.
MEANWHILE = 200


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[KafkaServer]:
    async with KafkaServer(tmp_path / "kafka", cache_dir=cache_dir()) as broker:
        yield broker


@pytest.mark.timeout(120)
async def test_R25_the_ledger_goes_on_without_a_broker_and_the_events_arrive_in_order(
    postgres: PostgresServer, broker: KafkaServer, tmp_path: Path
) -> None:
    async with set_stage(postgres, broker.bootstrap, tmp_path) as stage:
        service = await stage.start()
        load = Load([stage.url], stage.token, await stage.persons(), seed=25)
        async with load.running(CLIENTS, pause_s=PAUSE_S):
            await load.more(MEANWHILE)

            await broker.kill()
            await is_told(stage, "degraded")
            await load.more(MEANWHILE)
            await broker.restart()
            await is_told(stage, "ready")

        assert set(load.statuses) <= set(DECIDED)
        assert load.statuses[201] > MEANWHILE
        await stage.holds(load)
        assert await service.process.stop() == 0


async def is_told(stage: Stage, status: str) -> None:
    """Return once /readyz says so; the database answers all the while."""

    async def said() -> bool:
        answer = await stage.ask("GET", "/readyz")
        assert (answer.status, answer.content["database"]) == (200, True)
        return bool(answer.content["status"] == status)

    await eventually(said)
