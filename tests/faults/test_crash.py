"""The service is killed while many speak to it, again and again."""

from __future__ import annotations

import signal

import pytest

from tests.faults.load import Load
from tests.faults.stage import Stage

KILLS = 3
CLIENTS = 32
#: So many submissions are decided between two kills.
BETWEEN = 100


@pytest.mark.timeout(90)
async def test_R24_R26_nothing_acknowledged_is_lost_by_kill_9_and_the_outbox_drains(stage: Stage) -> None:
    service = await stage.start()
    load = Load([stage.url], stage.token, await stage.persons(), seed=9)
    async with load.running(CLIENTS):
        for _ in range(KILLS):
            await load.more(BETWEEN)
            assert await service.process.stop(signal.SIGKILL) == -signal.SIGKILL
            service = await stage.start()
        await load.more(BETWEEN)

    assert any(said.unanswered for said in load.said), "no request was under way when the service was killed"
    await stage.holds(load)
    assert await service.process.stop() == 0
