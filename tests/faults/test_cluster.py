"""More than one broker: events count once enough of them have them; one that is killed takes none along."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from consent_service.embedded import PostgresServer
from tests.events.streams import eventually
from tests.faults.account import outbox_rows
from tests.faults.cast import Follower, Program
from tests.faults.cluster import Cluster, cluster_of
from tests.faults.load import DECIDED, Load
from tests.faults.stage import Stage, set_stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

TIMES = soak(1, 10)
ROUNDS = 5
CLIENTS = 16
PAUSE_S = 0.1
BETWEEN = 80
FAILURES = "consent_publish_failures_total "


class Scene:
    """A service that publishes to a cluster, and a consumer."""

    def __init__(self, stage: Stage, cluster: Cluster, follower: Follower, load: Load) -> None:
        self.stage = stage
        self.cluster = cluster
        self.follower = follower
        self.load = load

    async def is_told(self, status: str) -> bool:
        answer = await self.stage.ask("GET", "/readyz")
        return answer.status == 200 and bool(answer.content["status"] == status)

    async def fails_again(self) -> None:
        """Return once the relay has failed to publish once more."""
        before = await self._failures()

        async def more() -> bool:
            return await self._failures() > before

        await eventually(more)

    async def _failures(self) -> float:
        async with httpx.AsyncClient() as client:
            lines = (await client.get(f"{self.stage.url}/metrics")).text.splitlines()
        [line] = [line for line in lines if line.startswith(FAILURES)]
        return float(line.removeprefix(FAILURES))

    async def is_whole(self) -> bool:
        return await self.cluster.is_whole(self.stage.topic)

    async def account(self) -> str:
        """How everything stands, for whoever wants to know why something does not get on."""
        rows = await outbox_rows(self.stage.database)
        return f"{rows} rows in the outbox, {self.follower.count} followed\n{await self.cluster.account()}"


@asynccontextmanager
async def scene_with(
    postgres: PostgresServer, folder: Path, *, brokers: int, voters: int
) -> AsyncIterator[Scene]:
    """With every topic on all brokers, while clients speak; at its end all is there."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(cluster_of(folder, brokers=brokers, voters=voters))
        stage = await stack.enter_async_context(set_stage(postgres, cluster.bootstrap, folder))
        settings = {"CONSENT_PORT": str(stage.port), "CONSENT_KAFKA_REPLICATION": str(brokers)}
        service = Program("serve", environment={**stage.environment, **settings}, ready="serving")
        follower = Follower(cluster.bootstrap, stage.topic, folder)
        for program in (service, follower):
            await stack.enter_async_context(program)
        load = Load([stage.url], stage.token, await stage.persons(), seed=brokers)
        async with load.running(CLIENTS, pause_s=PAUSE_S):
            await load.more(BETWEEN)
            await follower.has(await stage.records())
            scene = Scene(stage, cluster, follower, load)
            try:
                yield scene
            except BaseException:
                _log.warning("%s", await scene.account())
                raise
        assert set(load.statuses) <= set(DECIDED)
        await follower.equals(await stage.holds(load))
        await service.stop()


@pytest.mark.timeout(soak(240, 1800))
async def test_R25_too_few_replicas_hold_back_events_and_nothing_else(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """Of two brokers that both must have an event one is dead: the other answers NOT_ENOUGH_REPLICAS."""
    async with scene_with(postgres, tmp_path, brokers=2, voters=1) as scene:
        await scene.cluster.demand_replicas(scene.stage.topic, 2)
        for time in range(TIMES):
            await eventually(scene.is_whole)
            await scene.cluster.members[2].kill()
            await eventually(lambda: scene.cluster.is_led_alone(scene.stage.topic, 1))
            await scene.fails_again()
            assert await scene.is_told("degraded")
            await scene.load.more(BETWEEN)
            waiting = await outbox_rows(scene.stage.database)
            assert waiting >= BETWEEN / 2
            await scene.cluster.members[2].restart()
            await scene.follower.has(await scene.stage.records())
            await eventually(lambda: scene.is_told("ready"))
            _log.info("too few %d of %d, %d events waited", time + 1, TIMES, waiting)


@pytest.mark.skipif(not soak(False, True), reason="three brokers start in `make soak` alone")
@pytest.mark.timeout(1800)
async def test_R26_of_three_brokers_one_may_be_killed_at_any_time(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """Two have every event, so nobody waits for the third."""
    async with scene_with(postgres, tmp_path, brokers=3, voters=3) as scene:
        for turn in range(ROUNDS):
            for number, member in scene.cluster.members.items():
                await eventually(scene.is_whole)
                await member.kill()
                await scene.load.more(BETWEEN)
                await scene.follower.has(await scene.stage.records())
                followed = scene.follower.count
                _log.info(
                    "round %d of %d, without broker %d: %d followed", turn + 1, ROUNDS, number, followed
                )
                await member.restart()
