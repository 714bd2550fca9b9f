"""Each network between two of us is spoiled for a while and healed, while many speak: nothing is lost or doubled, nobody
is stuck, and all goes on by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.embedded.ports import HOST, free_port
from tests.faults.account import ends_told
from tests.faults.cast import Follower, Program, through
from tests.faults.feed_reader import HEARTBEAT_S, FeedReader, reading
from tests.faults.load import PURPOSES, Load
from tests.faults.proxy import Proxy, Way
from tests.faults.stage import Stage, set_stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

PAIRS = (
    "client-service",
    *("service-PostgreSQL", "relay-PostgreSQL", "sweeper-PostgreSQL"),
    *("relay-Kafka", "consumer-Kafka", "feed-Kafka"),
)
#: Which are spoiled at the same moment. In the short variant some wait for the same time-outs together.
TOGETHER: list[tuple[str, ...]] = [PAIRS[:1], PAIRS[1:]]
ALONE: list[tuple[str, ...]] = [(pair,) for pair in PAIRS]
ROUNDS = soak(1, 4)
CLIENTS = 16
PERSONS = 24
PAUSE_S = 0.05
BETWEEN = 30
#: How long a fault lasts.
FAULT_S = 0.3
#: A client behind a bad network.
PATIENCE_S = 1.0
#: So short that what a dead connection holds up is given up after some six seconds.
STATEMENT_S = "0.6"

Strike = Callable[[Proxy], None]
FAULTS: dict[str, Strike] = {
    "delay": lambda proxy: proxy.delay(0.1),
    "cut": lambda proxy: proxy.cut(),
    "half open": lambda proxy: proxy.swallow(),
    "answers are lost": lambda proxy: proxy.swallow([Way.ANSWERING]),
    "reset": lambda proxy: proxy.reset(),
    "byte by byte": lambda proxy: proxy.dribble(0.002, 0.2),
}
if soak(0, 1):
    FAULTS["asking is lost"] = lambda proxy: proxy.swallow([Way.ASKING])


class Doors:
    """Ways into one Kafka, each through a proxy of its own."""

    def __init__(self) -> None:
        self.relay = Proxy(free_port())
        self.consumer = Proxy(free_port())
        self.feed = Proxy(free_port())

    @property
    def ports(self) -> dict[int, int]:
        return {proxy.target_port: proxy.port for proxy in (self.relay, self.consumer, self.feed)}


@pytest.fixture(scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[KafkaServer, Doors]]:
    doors = Doors()
    folder = tmp_path_factory.mktemp("kafka-with-doors")
    async with KafkaServer(folder, cache_dir=cache_dir(), doors=doors.ports) as broker:
        yield broker, doors


class Scene:
    """A service, a relay, a sweeper, a consumer and a reader of the feed, with a proxy between each pair."""

    def __init__(
        self, stage: Stage, proxies: dict[str, Proxy], follower: Follower, reader: FeedReader, load: Load
    ) -> None:
        self.stage = stage
        self.proxies = proxies
        self.follower = follower
        self.reader = reader
        self.load = load


@asynccontextmanager
async def scene_on(
    stage: Stage, postgres: PostgresServer, doors: Doors, folder: Path
) -> AsyncIterator[Scene]:
    proxies = {
        "client-service": Proxy(stage.port),
        "service-PostgreSQL": Proxy(postgres.port),
        "relay-PostgreSQL": Proxy(postgres.port),
        "sweeper-PostgreSQL": Proxy(postgres.port),
        "relay-Kafka": doors.relay,
        "consumer-Kafka": doors.consumer,
        "feed-Kafka": doors.feed,
    }
    common = {
        **stage.environment,
        "CONSENT_STATEMENT_TIMEOUT_S": STATEMENT_S,
        "CONSENT_LOCK_TIMEOUT_S": STATEMENT_S,
    }
    service = {
        **common,
        "CONSENT_PORT": str(stage.port),
        "CONSENT_DATABASE_URL": through(common["CONSENT_DATABASE_URL"], proxies["service-PostgreSQL"].port),
        "CONSENT_KAFKA_BOOTSTRAP": f"{HOST}:{doors.feed.port}",
        "CONSENT_FEED_HEARTBEAT_S": str(HEARTBEAT_S),
    }
    del service["CONSENT_RELAY_DATABASE_URL"]
    relay = {
        **common,
        "CONSENT_RELAY_DATABASE_URL": through(
            common["CONSENT_RELAY_DATABASE_URL"], proxies["relay-PostgreSQL"].port
        ),
        "CONSENT_KAFKA_BOOTSTRAP": f"{HOST}:{doors.relay.port}",
    }
    sweeper = {
        **common,
        "CONSENT_SWEEPER_DATABASE_URL": through(
            stage.database.url("consent_sweeper"), proxies["sweeper-PostgreSQL"].port
        ),
    }
    follower = Follower(f"{HOST}:{doors.consumer.port}", stage.topic, folder)
    async with AsyncExitStack() as stack:
        for proxy in proxies.values():
            await stack.enter_async_context(proxy)
        for program in (
            Program("serve", environment=service, ready="serving"),
            Program("relay", environment=relay),
            Program("sweep", environment=sweeper),
            follower,
        ):
            await stack.enter_async_context(program)
        url = f"http://{HOST}:{proxies['client-service'].port}"
        load = Load([url], stage.token, await stage.persons(count=PERSONS), seed=11, patience_s=PATIENCE_S)
        reader = await stack.enter_async_context(reading(url, stage.token))
        yield Scene(stage, proxies, follower, reader, load)


@pytest.mark.timeout(soak(240, 3600))
async def test_R25_a_bad_network_loses_nothing_and_heals(
    postgres: PostgresServer, doors: tuple[KafkaServer, Doors], tmp_path: Path
) -> None:
    broker, ways = doors
    async with (
        set_stage(postgres, broker.bootstrap, tmp_path, brief=PURPOSES[:2]) as stage,
        scene_on(stage, postgres, ways, tmp_path) as scene,
    ):
        async with scene.load.running(CLIENTS, pause_s=PAUSE_S):
            await scene.load.more(BETWEEN)
            for turn in range(ROUNDS):
                for pairs in soak(TOGETHER, TOGETHER + ALONE):
                    for name, strike in FAULTS.items():
                        seconds = await spoil(scene, pairs, strike)
                        _log.info(
                            "round %d of %d, %s, %s: whole again after %.1f s",
                            *(turn + 1, ROUNDS, ", ".join(pairs), name, seconds),
                        )
        await ends_told(stage.database)
        rows = await stage.holds(scene.load)
        await scene.follower.equals(rows)
        await scene.reader.equals(rows)
        assert scene.reader.opened > 3, "its connection was never broken"
        assert any(row["channel"] == "system" for row in rows)


async def spoil(scene: Scene, pairs: Sequence[str], strike: Strike) -> float:
    """One fault, healed. How long it took from then on until commands are decided and their events followed."""
    loop = asyncio.get_running_loop()
    proxies = [scene.proxies[pair] for pair in pairs]
    for proxy in proxies:
        strike(proxy)
    await asyncio.sleep(FAULT_S)
    for proxy in proxies:
        await proxy.heal()
    healed = loop.time()
    await scene.load.more(BETWEEN)
    records = await scene.stage.records()
    await scene.follower.has(records)
    await scene.reader.has(records)
    return loop.time() - healed
