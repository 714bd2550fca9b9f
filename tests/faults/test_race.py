"""Many clients speak about the same persons at the same moment, to two processes."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.callers import Caller
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.processes import serving

CLIENTS = 64
ROUNDS = 30
#: Of so many submissions one is said twice at the same moment, to both processes, and one again later, to the other.
TWIN_EVERY = 5


@pytest.mark.timeout(90)
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
                said = load.speak()
                if turn % TWIN_EVERY == 0:
                    await asyncio.gather(load.insist(here, said), load.insist(there, said))
                else:
                    await load.insist(here, said)
                if turn % TWIN_EVERY == 1:
                    await load.insist(there, said)
            here.close()
            there.close()

        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        await stage.holds(load, repetitions=False)

    assert len(load.said) == CLIENTS * ROUNDS
    assert all(said.decided for said in load.said)
    replays = sum(answer.replayed for said in load.said for answer in said.answers)
    assert replays == CLIENTS * ROUNDS * 2 // TWIN_EVERY
    assert load.statuses[201] > len(load.said) // 3
