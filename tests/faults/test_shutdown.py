"""The end: what was accepted is answered and published, what comes later is refused, the exit code is 0."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from consent_service.embedded import KafkaServer
from tests.events.streams import eventually
from tests.faults.account import outbox_rows
from tests.faults.callers import Caller, Refused
from tests.faults.load import DECIDED, Load
from tests.faults.stage import Stage
from tests.processes import Process, Service
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

STOPS = soak(1, 20)
EARLY_STOPS = soak(2, 40)
LATER_S = 0.01
CLIENTS = 64
BETWEEN = 300
#: A stop with healthy engines, far from any limit that the service has.
STOP_S_MAX = 10.0
UNHURRIED = {"CONSENT_SHUTDOWN_S": "30"}
CLOSED = """
    select not exists (
        select from pg_stat_activity where usename = 'consent_service' and datname = current_database())
"""
TAKEN = "port {} on 127.0.0.1 is taken by another program"


@pytest.mark.parametrize("signals", [1, 2], ids=["SIGTERM", "SIGTERM twice"])
@pytest.mark.timeout(soak(180, 600))
async def test_R26_a_stop_under_load_answers_and_publishes_what_was_accepted(
    stage: Stage, signals: int
) -> None:
    service = await stage.start(**UNHURRIED)
    load = Load([stage.url], stage.token, await stage.persons(), seed=signals)
    for stop in range(STOPS):
        if stop:
            service = await stage.start(**UNHURRIED)
        refused = sum(said.refused for said in load.said)
        async with load.running(CLIENTS, insisting=False):
            await load.more(BETWEEN)
            if signals == 2:
                await stop_twice(service)
            else:
                assert await service.process.stop(limit_s=STOP_S_MAX) == 0

        assert sum(said.refused for said in load.said) > refused, "nobody came too late"
        assert await outbox_rows(stage.database) == 0
        with pytest.raises(Refused):
            await stage.ask("GET", "/healthz")
        _log.info("stop %d of %d, %s", stop + 1, STOPS, load.statuses)

    assert set(load.statuses) <= set(DECIDED)
    assert [said for said in load.said if said.unanswered] == [], "accepted, but not answered"
    await stage.holds(load, repetitions=False)


async def stop_twice(service: Service) -> None:
    """The second signal comes while the first is obeyed: nobody is accepted any more, but some are still served."""
    idle = Caller(service.url, "")
    await idle.connect()  # it is given a little time, so that the end is not over too soon
    ending = asyncio.ensure_future(service.process.stop(limit_s=STOP_S_MAX))
    await refuses(service)
    assert service.process.running
    assert await service.process.stop(limit_s=STOP_S_MAX) == 0
    assert await ending == 0
    idle.close()


async def refuses(service: Service) -> None:
    """Return once nobody is accepted any more."""
    caller = Caller(service.url, "")

    async def refused() -> bool:
        try:
            await caller.connect()
        except Refused:
            return True
        caller.close()
        return False

    await eventually(refused)


async def test_R26_what_waits_for_the_broker_is_published_before_the_end(
    stage: Stage, kafka: KafkaServer
) -> None:
    """The broker holds its breath when the signal comes, and goes on when all but the relay has ended."""
    service = await stage.start(**UNHURRIED)
    load = Load([stage.url], stage.token, await stage.persons(), seed=26)
    async with AsyncExitStack() as stack:
        stack.callback(kafka.resume)
        async with load.running(CLIENTS, insisting=False):
            await load.more(BETWEEN)
            await eventually(lambda: has_published(stage))
            kafka.pause()
            await load.more(CLIENTS)
            ending = asyncio.ensure_future(service.process.stop())
            await refuses(service)
        await eventually(lambda: has_closed(stage))
        assert await outbox_rows(stage.database) > 0
        kafka.resume()
        assert await ending == 0

    assert await outbox_rows(stage.database) == 0
    await stage.holds(load)


async def has_published(stage: Stage) -> bool:
    """Whether the relay is at work: at its start it has its lanes to claim, which takes longer than a stop allows."""
    return await outbox_rows(stage.database) < await stage.records()


async def has_closed(stage: Stage) -> bool:
    """Whether the service has none of its own connections any more; the relay's role is another."""
    connection = await stage.database.connect()
    try:
        return bool(await connection.fetchval(CLOSED))
    finally:
        await connection.close()


@pytest.mark.timeout(soak(180, 600))
async def test_a_service_stopped_before_it_is_ready_ends_well(stage: Stage) -> None:
    """The signal comes as soon as it is listened to, and each time a little later."""
    ready = []
    for later in range(EARLY_STOPS):
        process = await stage.process(**UNHURRIED)

        async def listens(process: Process = process) -> bool:
            return catches_sigterm(process.pid)

        await eventually(listens)
        await asyncio.sleep(later * LATER_S)  # nothing is waited for: it is the moment of the signal
        ready.append("serving" in "".join(process.lines))
        _log.info("signal %d of %d, ready: %s", later + 1, EARLY_STOPS, ready[-1])
        code = await process.stop(limit_s=STOP_S_MAX)

        assert code == 0, "\n".join(process.lines)
        assert "Traceback" not in "\n".join(process.lines)
    assert not ready[0], "the signal came too late"


def catches_sigterm(pid: int) -> bool:
    """Whether the process has a handler of its own (proc(5), SigCgt)."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.split("SigCgt:", 1)[1].split()[0], 16)
    return bool(caught & 1 << signal.SIGTERM - 1)


async def test_a_second_service_on_the_same_port_says_so(stage: Stage) -> None:
    first = await stage.start()
    second = await stage.process()

    assert await second.ended() == 1
    assert [TAKEN.format(stage.port) in line for line in second.lines] == [True]
    assert (await stage.ask("GET", "/readyz")).status == 200
    assert await first.process.stop() == 0


async def test_of_two_services_started_together_on_one_port_one_serves_and_one_says_so(stage: Stage) -> None:
    for _ in range(2):
        both = [await stage.process() for _ in range(2)]
        ends = [asyncio.ensure_future(one.ended()) for one in both]
        done, _ = await asyncio.wait(ends, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1, [one.lines for one in both]
        refused, serving = both if ends[0] in done else reversed(both)

        assert await refused.ended() == 1
        assert [TAKEN.format(stage.port) in line for line in refused.lines] == [True]
        await serving.hear("serving")
        assert await serving.stop() == 0
