"""How long an event takes to a consumer, in a process of its own: a plan on standard input, the outcome on output.

Records are sent at a fixed pace, whatever the answers take (open loop). Counted is from the 201 to the consumer having
the event, both seen by this process. `bare` is the ceiling: an idempotent producer alone, from `send` to the consumer.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httptools
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.generator import percentile
from benchmarks.messages import Person, records
from benchmarks.plans import carry_out
from consent_service.domain.partitions import CHANGES_PARTITIONS
from consent_service.usecases.clock import new_id, now

WARM_UP_S = 1.0
ARRIVES_S = 15.0
CONNECTIONS = 64
EVENT_BYTES = 250
EVENT_ID = "ce_id"


class Plan(msgspec.Struct, frozen=True):
    """`rate` in records a second; `topic` is where the events go, made here when `bare`."""

    port: int
    token: str
    people: list[Person]
    bootstrap: str
    topic: str
    rate: int
    seconds: float
    bare: bool


class Outcome(msgspec.Struct, frozen=True):
    """In ms; `events` were counted, `waited` records were sent late because every connection was busy."""

    p50: float
    p99: float
    events: int
    waited: int


class _Record(msgspec.Struct, frozen=True):
    record_id: str


class _Recorded(msgspec.Struct, frozen=True):
    record: _Record


_decode = msgspec.json.Decoder(_Recorded).decode


class Caller(asyncio.Protocol):
    """A connection that sends what it is given and tells the answer, then waits among the idle."""

    def __init__(self, told: Callable[[str], None], free: Callable[[Caller], None]) -> None:
        self._told = told
        self._free = free
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self.failure: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 201:
            self.failure = self._body.decode()
        else:
            self._told(_decode(self._body).record.record_id)
        self._body = b""
        self._free(self)


class Callers:
    """Some connections to the service; what finds none idle waits for one."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._all: list[Caller] = []
        self._idle: deque[Caller] = deque()
        self._waiting: deque[bytes] = deque()
        self.waited = 0

    async def open(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, caller = await loop.create_connection(
                lambda: Caller(self._told, self._next), "127.0.0.1", port
            )
            self._all.append(caller)
            self._idle.append(caller)

    def send(self, request: bytes) -> None:
        if self._idle:
            self._idle.popleft().transport.write(request)
        else:
            self.waited += 1
            self._waiting.append(request)

    def check(self) -> None:
        """Raises RuntimeError when one request was not answered 201."""
        failures = [caller.failure for caller in self._all if caller.failure is not None]
        if failures:
            raise RuntimeError(f"not recorded: {failures[0]}")

    def close(self) -> None:
        for caller in self._all:
            caller.transport.close()

    def _next(self, caller: Caller) -> None:
        if self._waiting:
            caller.transport.write(self._waiting.popleft())
        else:
            self._idle.append(caller)


async def run(plan: Plan) -> Outcome:
    told: dict[str, float] = {}
    arrived: dict[str, float] = {}
    if plan.bare:
        await _make_topic(plan)
    async with _consuming(plan, arrived):
        gc.collect()
        gc.freeze()
        waited = await (_produce if plan.bare else _record)(plan, told)
        async with asyncio.timeout(ARRIVES_S):
            # The consumer's task fills the table.
            while not told.keys() <= arrived.keys():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    counted = sorted(told, key=told.__getitem__)[int(WARM_UP_S * plan.rate) :]
    latencies = sorted((arrived[one] - told[one]) * 1000 for one in counted)
    return Outcome(percentile(latencies, 0.5), percentile(latencies, 0.99), len(latencies), waited)


async def _record(plan: Plan, told: dict[str, float]) -> int:
    callers = Callers(lambda record_id: told.__setitem__(record_id, time.perf_counter()))
    await callers.open(plan.port)
    requests = records(plan.token, plan.people)
    sent = 0
    async for due in _pace(plan):
        for _ in range(due):
            callers.send(next(requests))
        sent += due
    async with asyncio.timeout(ARRIVES_S):
        while len(told) < sent:
            await asyncio.sleep(0.05)
            callers.check()
    callers.close()
    return callers.waited


async def _produce(plan: Plan, told: dict[str, float]) -> int:
    producer: Any = AIOKafkaProducer(bootstrap_servers=plan.bootstrap, enable_idempotence=True)
    await producer.start()
    value = bytes(EVENT_BYTES)
    sending = set()

    async def send() -> None:
        event_id = str(new_id(now()))
        told[event_id] = time.perf_counter()
        headers = [(EVENT_ID, event_id.encode())]
        await producer.send(plan.topic, value, key=event_id.encode(), headers=headers)

    async for due in _pace(plan):
        for _ in range(due):
            task = asyncio.create_task(send())
            sending.add(task)
            task.add_done_callback(sending.discard)
    await asyncio.gather(*sending)
    await producer.stop()
    return 0


async def _pace(plan: Plan) -> AsyncIterator[int]:
    """How many are due since it was last asked, until the time is over."""
    began = time.perf_counter()
    sent = 0
    while (passed := time.perf_counter() - began) < WARM_UP_S + plan.seconds:
        due = int(passed * plan.rate) - sent
        if due:
            sent += due
            yield due
        await asyncio.sleep(0.001)


@asynccontextmanager
async def _consuming(plan: Plan, arrived: dict[str, float]) -> AsyncIterator[None]:
    """A consumer that notes when each event came, from the topic's present end on."""
    reader: Any = AIOKafkaConsumer(bootstrap_servers=plan.bootstrap, auto_offset_reset="latest")
    await reader.start()
    partitions = [TopicPartition(plan.topic, number) for number in range(CHANGES_PARTITIONS)]
    reader.assign(partitions)
    await reader.seek_to_end()
    for partition in partitions:
        await reader.position(partition)

    async def take() -> None:
        async for message in reader:
            at = time.perf_counter()
            arrived[dict(message.headers)[EVENT_ID].decode()] = at

    taking = asyncio.create_task(take())
    try:
        yield
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await reader.stop()


async def _make_topic(plan: Plan) -> None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=plan.bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(plan.topic, num_partitions=CHANGES_PARTITIONS, replication_factor=1)]
        )
    finally:
        await admin.close()


if __name__ == "__main__":
    carry_out(Plan, run)
