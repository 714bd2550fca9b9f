"""The load generator, a process of its own: a plan on standard input, what came of it on standard output.

HTTP/1.1 by hand on uvloop, one request under way a connection, because a client library would take more of the two
cores than what is measured.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import cast

import httptools
import msgspec

from benchmarks.messages import KINDS, Person
from benchmarks.plans import carry_out

WARM_UP_S = 0.5
"""Not counted: connections are opened, statements prepared."""
END_S = 20.0
LOOK_S = 0.01


class Plan(msgspec.Struct, frozen=True):
    """`kind` is one of messages.KINDS, which say what `token` is.

    Ends after `seconds`, or after `requests_max` if that comes first.
    """

    port: int
    token: str
    kind: str
    people: list[Person]
    connections: int
    seconds: float
    requests_max: int | None = None


class Outcome(msgspec.Struct, frozen=True):
    """Requests a second and latencies in ms, after the warm-up; `cpu` is the generator's share of one core."""

    rate: float
    p50: float
    p99: float
    cpu: float
    statuses: dict[int, int]


class Load:
    """What all connections of one plan have in common."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.latencies = array("d")
        self.statuses: Counter[int] = Counter()
        self.over = False
        self.failure: Exception | None = None
        self.ended = asyncio.Event()
        self.busy = plan.connections
        self.left = plan.requests_max if plan.requests_max is not None else sys.maxsize

    def finish(self, failure: Exception | None = None) -> None:
        """A connection is done; the last one ends the run, the first failure too."""
        self.failure = self.failure or failure
        self.busy -= 1
        if self.busy == 0 or failure is not None:
            self.ended.set()


class Connection(asyncio.Protocol):
    """Sends the next request when the last was answered."""

    def __init__(self, load: Load, requests: Iterator[bytes]) -> None:
        self._load = load
        self._requests = requests
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = 0.0
        self._finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        load = self._load
        load.latencies.append(time.perf_counter() - self._sent_at)
        load.statuses[self._parser.get_status_code()] += 1
        load.left -= 1
        if load.over or load.left < load.busy:
            self._finished = True
            self._transport.close()
            load.finish()
        else:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._finished:
            self._load.finish(exc or ConnectionError("the server closed a connection"))


async def run(plan: Plan) -> Outcome:
    """Raises what ended a connection early."""
    load = Load(plan)
    loop = asyncio.get_running_loop()
    make = KINDS[plan.kind]
    connections = [
        Connection(load, make(plan.token, plan.people[number :: plan.connections]))
        for number in range(plan.connections)
    ]
    for connection in connections:
        await loop.create_connection(lambda one=connection: one, "127.0.0.1", plan.port)  # type: ignore[misc]
    gc.collect()
    gc.freeze()
    for connection in connections:
        connection.send()
    warm_up_s = 0.0 if plan.requests_max is not None else WARM_UP_S
    await asyncio.sleep(warm_up_s)
    load.latencies = array("d")
    began, cpu = time.perf_counter(), _cpu_s()
    try:
        async with asyncio.timeout(plan.seconds):
            await load.ended.wait()
    except TimeoutError:
        async with asyncio.timeout(END_S):
            while not load.latencies and not load.ended.is_set():  # noqa: ASYNC110  what counts tells nobody
                await asyncio.sleep(LOOK_S)
        load.over = True
    seconds, cpu = time.perf_counter() - began, _cpu_s() - cpu
    latencies = sorted(load.latencies)
    async with asyncio.timeout(END_S):
        await load.ended.wait()
    if load.failure is not None:
        raise load.failure
    return Outcome(
        rate=len(latencies) / seconds,
        p50=percentile(latencies, 0.50) * 1000,
        p99=percentile(latencies, 0.99) * 1000,
        cpu=cpu / seconds,
        statuses=dict(load.statuses),
    )


def percentile(ordered: list[float], part: float) -> float:
    """The smallest value that at least this part of them does not exceed."""
    if not ordered:
        raise ValueError("nothing was answered")
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    carry_out(Plan, run)
