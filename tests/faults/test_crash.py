"""Two services are killed in turn while many speak to both, again and again."""

from __future__ import annotations

import logging
import signal

import pytest

from consent_service.embedded.ports import free_port
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

KILLS = soak(10, 100)
CLIENTS = 32
#: How long each client pauses while a service starts, which would take long beside a load at full speed.
PAUSE_S = 0.5
#: So many submissions are decided before each kill, and again by the other service alone.
BETWEEN = 60
#: As if the seconds had passed after which the dead one's shards are free, so that the next kill meets a relay at work.
#: After the last kill they do pass.
LAPSE = "update relay_leases set expires_at = clock_timestamp() where holder like $1"


@pytest.mark.timeout(soak(180, 1800))
async def test_R24_R26_nothing_acknowledged_is_lost_by_kill_9_and_the_outbox_drains(stage: Stage) -> None:
    """Who got no answer says the same again, to the other service."""
    ports = [stage.port, free_port()]
    services = [await stage.start(CONSENT_PORT=str(port)) for port in ports]
    load = Load([service.url for service in services], stage.token, await stage.persons(), seed=9)
    watcher = await stage.database.connect()
    broke = 0
    async with load.running(CLIENTS):
        for kill in range(KILLS):
            await load.more(BETWEEN)
            broken = sum(said.unanswered for said in load.said)
            killed = services[kill % 2].process
            assert await killed.stop(signal.SIGKILL) == -signal.SIGKILL
            if kill < KILLS - 1:
                await watcher.execute(LAPSE, f"%:{killed.pid}:%")
            await load.more(BETWEEN)
            broke += sum(said.unanswered for said in load.said) > broken
            load.pause_s = PAUSE_S
            services[kill % 2] = await stage.start(CONSENT_PORT=str(ports[kill % 2]))
            load.pause_s = 0.0
            _log.info("kill %d of %d, %d submissions decided", kill + 1, KILLS, load.decided)
        await load.more(BETWEEN)

    await watcher.close()
    # All requests of a moment may just have been answered; that is rare.
    assert broke > KILLS / 2, "hardly ever was a request under way"
    assert all(said.decided for said in load.said)
    unheard = [said for said in load.said if said.unanswered and said.decided[0].replayed]
    assert unheard, "no kill came between a commit and its answers"
    await stage.holds(load)
    for service in services:
        assert await service.process.stop() == 0
