"""The end: what was accepted is answered and published, what comes later is refused, the exit code is 0."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.events.streams import eventually
from tests.faults.account import read_ledger
from tests.faults.callers import Caller, Refused
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.processes import Process, Service

CLIENTS = 64
BETWEEN = 300
#: A stop with healthy engines.
STOP_S_MAX = 5.0
TAKEN = "port {} on 127.0.0.1 is taken by another program"


@pytest.mark.parametrize("signals", [1, 2], ids=["SIGTERM", "SIGTERM twice"])
@pytest.mark.timeout(60)
async def test_R26_a_stop_under_load_answers_and_publishes_what_was_accepted(
    stage: Stage, signals: int
) -> None:
    service = await stage.start()
    load = Load([stage.url], stage.token, await stage.persons(), seed=signals)
    async with load.running(CLIENTS, insisting=False):
        await load.more(BETWEEN)
        if signals == 2:
            await stop_twice(service)
        else:
            assert await service.process.stop(limit_s=STOP_S_MAX) == 0

    watcher = await stage.database.connect()
    assert await watcher.fetchval("select count(*) from outbox") == 0
    await watcher.close()
    with pytest.raises(Refused):
        await stage.ask("GET", "/healthz")
    assert set(load.statuses) <= {200, 201, 409, 503}
    made = {row["source"] for row in await read_ledger(stage.database)}
    unanswered = [source for said in load.said if said.unanswered for source in said.sources]
    assert made.isdisjoint(unanswered), "recorded, but not answered"
    await stage.holds(load)


async def stop_twice(service: Service) -> None:
    """The second signal comes while the first is obeyed: nobody is accepted any more, but some are still served."""
    caller = Caller(service.url, "")
    ending = asyncio.ensure_future(service.process.stop(limit_s=STOP_S_MAX))

    async def refuses() -> bool:
        try:
            await caller.connect()
        except Refused:
            return True
        caller.close()
        return False

    await eventually(refuses)
    assert await service.process.stop(limit_s=STOP_S_MAX) == 0
    assert await ending == 0


async def test_a_service_stopped_before_it_is_ready_ends_well(stage: Stage) -> None:
    """The signal comes as soon as it is listened to."""
    for _ in range(2):
        process = await stage.process()

        async def listens(process: Process = process) -> bool:
            return catches_sigterm(process.pid)

        await eventually(listens)
        code = await process.stop(limit_s=STOP_S_MAX)

        assert code == 0, "\n".join(process.lines)
        assert "Traceback" not in "\n".join(process.lines)


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
