"""The clock of our processes steps an hour forwards and backwards while many speak: nobody's records go back in time, and
what rests on leases does not notice."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from consent_service.embedded import KafkaServer
from tests.faults.cast import Follower, Program
from tests.faults.load import DECIDED, Load
from tests.faults.stage import Stage
from tests.processes import ROOT
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

HOUR_S = 3600
STEPS_S = [HOUR_S, 0] * soak(1, 20)
CLIENTS = 16
BETWEEN = 80
CLOCKS = Path(__file__).with_name("clocks")
LEASES = "select shard_group, holder, epoch from relay_leases order by shard_group"


@pytest.mark.timeout(soak(180, 1200))
async def test_R14_R30_a_clock_that_steps_an_hour_takes_no_record_back_and_no_lease_away(
    stage: Stage, kafka: KafkaServer, tmp_path: Path
) -> None:
    shift = tmp_path / "shift"
    step(shift, 0)
    environment = {
        **stage.environment,
        "CONSENT_PORT": str(stage.port),
        "PYTHONPATH": f"{CLOCKS}:{ROOT}",
        "CLOCK_SHIFT_FILE": str(shift),
    }
    alone = {name: value for name, value in environment.items() if name != "CONSENT_RELAY_DATABASE_URL"}
    service = Program("serve", environment=alone, ready="serving")
    relay = Program("relay", environment=environment)
    follower = Follower(kafka.bootstrap, stage.topic, tmp_path)
    watcher = await stage.database.connect()
    async with AsyncExitStack() as stack:
        for program in (service, relay, follower):
            await stack.enter_async_context(program)
        load = Load([stage.url], stage.token, await stage.persons(), seed=14)
        async with load.running(CLIENTS):
            await load.more(BETWEEN)
            await follower.has(await stage.records())
            leases = await watcher.fetch(LEASES)
            for seconds in STEPS_S:
                step(shift, seconds)
                await load.more(BETWEEN)
                await follower.has(await stage.records())
                _log.info("clock %+d s, %d decided, %d followed", seconds, load.decided, follower.count)
            assert await watcher.fetch(LEASES) == leases
        rows = await stage.holds(load)
        await follower.equals(rows)
        await service.stop()
        await relay.stop()
    await watcher.close()

    assert set(load.statuses) <= set(DECIDED)
    assert all(row["holder"] is not None for row in leases)
    assert [row for row in rows if row["superseded"]] == [], (
        "a command without a time of its own is the latest"
    )
    later = [
        after["recorded_at"] - before["recorded_at"]
        for before, after in pairwise(rows)
        if before["subject_id"] == after["subject_id"]
    ]
    assert min(later) > timedelta(0)
    assert rows[-1]["recorded_at"] > datetime.now(UTC) + timedelta(seconds=HOUR_S / 2), (
        "the clock did not step"
    )
    assert later.count(timedelta(microseconds=1)) > BETWEEN / 2, "the clock did not step back"


def step(file: Path, seconds: int) -> None:
    """In one go: the file is read all the while."""
    aside = file.with_suffix(".new")
    aside.write_text(str(seconds))
    aside.replace(file)
