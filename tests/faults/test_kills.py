"""Everybody is killed with kill -9 and started again, in random order, while many speak: what was acknowledged is there,
is published, in order, and has arrived; nobody has to lend a hand."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer, PostgresServer
from tests.databases import make_template
from tests.faults.account import ends_told
from tests.faults.cast import Follower, Mortal, Program
from tests.faults.load import PURPOSES, Load
from tests.faults.stage import Stage, set_stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

#: The order of deaths. In the long variant another one each time, unless it is set.
SEED = int(os.environ.get("CONSENT_SEED") or soak(2026, secrets.randbelow(1_000_000)))
CYCLES = soak(7, 105)
#: Of so many cycles one kills two at once.
TWO_EVERY = 3
CLIENTS = 16
#: So many that a consent may end before the person speaks again.
PERSONS = 24
PAUSE_S = 0.1
#: So many submissions are decided before the next one dies.
BETWEEN = 50
#: For engines and programs to start and for clients to be answered again; some 15 s on a busy machine.
BACK_S_MAX = 45.0


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[tuple[PostgresServer, KafkaServer]]:
    """Engines of this test's own, that keep what they committed."""
    async with (
        PostgresServer(tmp_path / "postgres") as postgres,
        KafkaServer(tmp_path / "kafka", cache_dir=cache_dir()) as kafka,
    ):
        await make_template(postgres)
        yield postgres, kafka


@asynccontextmanager
async def cast_of(
    stage: Stage, postgres: PostgresServer, kafka: KafkaServer, folder: Path
) -> AsyncIterator[dict[str, Mortal]]:
    """Every kind of process there is, at work. A new kind is a new line here."""
    alone = {name: value for name, value in stage.environment.items() if name != "CONSENT_RELAY_DATABASE_URL"}
    programs: dict[str, Program] = {
        "service": Program("serve", environment={**alone, "CONSENT_PORT": str(stage.port)}, ready="serving"),
        "relay": Program("relay", environment=stage.environment),
        "sweeper": Program(
            "sweep",
            environment={**alone, "CONSENT_SWEEPER_DATABASE_URL": stage.database.url("consent_sweeper")},
        ),
        "consumer": Follower(kafka.bootstrap, stage.topic, folder),
    }
    async with AsyncExitStack() as stack:
        for program in programs.values():
            await stack.enter_async_context(program)
        yield {**programs, "PostgreSQL": postgres, "Kafka": kafka}


def deaths(names: list[str], chance: random.Random) -> Iterator[tuple[str, ...]]:
    """Round after round everyone once, in random order; now and then another one at the same moment."""
    while True:
        for place, name in enumerate(chance.sample(names, len(names))):
            other = chance.choice([one for one in names if one != name])
            yield (name, other) if place % TWO_EVERY == TWO_EVERY - 1 else (name,)


@pytest.mark.timeout(soak(180, 7200))
async def test_nothing_acknowledged_is_lost_whoever_is_killed(
    engines: tuple[PostgresServer, KafkaServer], tmp_path: Path
) -> None:
    postgres, kafka = engines
    _log.info("CONSENT_SEED=%d", SEED)
    async with (
        set_stage(postgres, kafka.bootstrap, tmp_path, brief=PURPOSES[:2]) as stage,
        cast_of(stage, postgres, kafka, tmp_path) as cast,
    ):
        follower = cast["consumer"]
        assert isinstance(follower, Follower)
        load = Load([stage.url], stage.token, await stage.persons(count=PERSONS), seed=SEED)
        order = deaths(list(cast), random.Random(SEED))  # noqa: S311  an order, not a secret
        async with load.running(CLIENTS, pause_s=PAUSE_S):
            await load.more(BETWEEN)
            for cycle in range(CYCLES):
                dying = next(order)
                seconds = await kill_and_restart(cast, dying, load)
                await follower.has(await stage.records())
                _log.info(
                    "cycle %d of %d, %s: %.1f s until back; %d decided, %d followed",
                    *(cycle + 1, CYCLES, " and ".join(dying), seconds, load.decided, follower.count),
                )
        assert all(said.decided for said in load.said)
        await ends_told(stage.database)
        rows = await stage.holds(load)
        await follower.equals(rows)
        ended = sum(row["channel"] == "system" for row in rows)
        _log.info("%d of %d records tell of an end", ended, len(rows))
        assert ended > CYCLES
        for name in ("service", "relay", "sweeper"):
            program = cast[name]
            assert isinstance(program, Program)
            await program.stop()


async def kill_and_restart(cast: dict[str, Mortal], dying: tuple[str, ...], load: Load) -> float:
    """How long it took until many were answered again."""
    loop = asyncio.get_running_loop()
    for name in dying:
        await cast[name].kill()
    died = loop.time()
    async with asyncio.timeout(BACK_S_MAX):
        for name in dying:
            await cast[name].restart()
        await load.more(BETWEEN)
    return loop.time() - died
