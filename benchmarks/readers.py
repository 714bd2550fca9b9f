"""Many readers of `/v1/changes`, in a process of its own: a plan on standard input, the outcome on output.

All streams are open before the first record is sent; counted is until every reader has every change.
"""

from __future__ import annotations

import asyncio
import resource
import time
from typing import cast

import msgspec

from benchmarks.latency import Callers
from benchmarks.messages import Person, records
from benchmarks.plans import carry_out

OPEN_S = 60.0
ARRIVES_S = 120.0
CHANGE = b"event: change\n"


class Plan(msgspec.Struct, frozen=True):
    """`records` are sent to the service at `port`; without a token it is the bare server that is asked for blocks."""

    port: int
    token: str
    people: list[Person]
    readers: int
    records: int


class Outcome(msgspec.Struct, frozen=True):
    """Changes a second over all readers, and how long it took."""

    rate: float
    seconds: float


class Reader(asyncio.Protocol):
    """Counts the changes of one stream."""

    def __init__(self, request: bytes, count: Count) -> None:
        self._request = request
        self._count = count
        self._rest = b""
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._count.opened()
        text = self._rest + data
        self._count.arrived(text.count(CHANGE))
        self._rest = text[len(text) - len(CHANGE) + 1 :]


class Count:
    """Of all readers together."""

    def __init__(self, readers: int, changes: int) -> None:
        self._readers = readers
        self._left = readers * changes
        self.open = asyncio.Event()
        self.complete = asyncio.Event()

    def opened(self) -> None:
        self._readers -= 1
        if self._readers == 0:
            self.open.set()

    def arrived(self, changes: int) -> None:
        self._left -= changes
        if self._left <= 0:
            self.complete.set()


async def run(plan: Plan) -> Outcome:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = Count(plan.readers, plan.records)
    loop = asyncio.get_running_loop()
    request = f"GET /v1/changes HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {plan.token}\r\n\r\n".encode()
    asked = request if plan.token else b"\n"
    streams = []
    for _ in range(plan.readers):
        stream, _ = await loop.create_connection(lambda: Reader(asked, count), "127.0.0.1", plan.port)
        streams.append(stream)
    async with asyncio.timeout(OPEN_S):
        await count.open.wait()
    callers = Callers(lambda _: None)
    if plan.token:
        await callers.open(plan.port)
    began = time.perf_counter()
    if plan.token:
        requests = records(plan.token, plan.people)
        for _ in range(plan.records):
            callers.send(next(requests))
    else:
        streams[0].write(b"%d\n" % plan.records)
    async with asyncio.timeout(ARRIVES_S):
        await count.complete.wait()
    seconds = time.perf_counter() - began
    callers.check()
    for stream in streams:
        stream.close()
    callers.close()
    return Outcome(plan.readers * plan.records / seconds, seconds)


if __name__ == "__main__":
    carry_out(Plan, run)
