"""Many clients speak about the same persons at the same moment, to two processes."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.faults.callers import Caller
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.processes import serving
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

CLIENTS = 64
ROUNDS = soak(30, 300)
#: Of so many submissions one is said twice at the same moment, to both processes, and one again later, to the other.
TWIN_EVERY = 5
TOLD_EVERY = 30


@pytest.mark.timeout(soak(180, 1800))
async def test_R14_R24_a_race_of_two_processes_leaves_gapless_chains_and_every_event_once(
    stage: Stage,
) -> None:
    async with serving(stage.environment) as first, serving(stage.environment) as second:
        load = Load([], stage.token, await stage.persons(first.url), seed=14)

        async def client(number: int) -> None:
            here, there = [Caller(one.url, stage.token) for one in (first, second)][
                :: 1 if number % 2 else -1
            ]
            for turn in range(ROUNDS):
                if number == 0 and turn % TOLD_EVERY == 0:
                    _log.info("round %d of %d, %d answers", turn + 1, ROUNDS, load.decided)
                said = load.speak()
                if turn % TWIN_EVERY == 0:
                    await asyncio.gather(load.insist(said, here), load.insist(said, there))
                else:
                    await load.insist(said, here)
                if turn % TWIN_EVERY == 1:
                    await load.insist(said, there)
            here.close()
            there.close()

        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(client(number))
        await stage.holds(load, repetitions=False)

    assert sum(len(said.sources) for said in load.said) > 100 * ROUNDS
    assert all(said.decided for said in load.said)
    replays = sum(answer.replayed for said in load.said for answer in said.answers)
    assert replays == CLIENTS * ROUNDS * 2 // TWIN_EVERY
    assert load.statuses[201] > len(load.said) // 3
