"""A recipient, or a bare consumer, that reads a topic from its start to its end: a plan on standard input, the outcome
on output.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer
from consent_client.model import Change
from consent_client.recipient import Begin, Recipient

from benchmarks.plans import carry_out

CONTROLLER = "ansettr"
PURPOSE = "nyhetsbrev"
_READ_S = 300.0
_LOOK_S = 0.01


class Plan(msgspec.Struct, frozen=True):
    """`count` changes lie on the prefix's topic; `bare` reads them with nothing but a consumer of its own group."""

    bootstrap: str
    prefix: str
    group: str
    count: int
    bare: bool


class Outcome(msgspec.Struct, frozen=True):
    """From the first change that was handled to the last that was acknowledged; for the bare one, that was read."""

    rate: float


class System(Recipient):
    """Does nothing, and notes when it began."""

    slug = "system"
    purposes = (PURPOSE,)
    began = 0.0

    async def start(self, change: Change) -> None:
        self.began = self.began or time.perf_counter()

    async def stop(self, change: Change) -> None:
        self.began = self.began or time.perf_counter()


async def recipient(plan: Plan, folder: Path) -> Outcome:
    system, stop = System(), asyncio.Event()
    running = asyncio.create_task(
        system.run(
            kafka=plan.bootstrap,
            controller=CONTROLLER,
            prefix=plan.prefix,
            group=plan.group,
            begin=Begin.EARLIEST,
            store=folder / "recipient.db",
            stop=stop,
        )
    )
    async with asyncio.timeout(_READ_S):
        while system.counters.acknowledged < plan.count:  # noqa: ASYNC110  it counts, and tells nobody
            await asyncio.sleep(_LOOK_S)
    seconds = time.perf_counter() - system.began
    stop.set()
    await running
    return Outcome(plan.count / seconds)


async def bare(plan: Plan) -> Outcome:
    consumer = AIOKafkaConsumer(
        f"{plan.prefix}.changes.v1",
        bootstrap_servers=plan.bootstrap,
        group_id=plan.group,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    read, began = 0, 0.0
    async with asyncio.timeout(_READ_S):
        async for _ in consumer:
            began = began or time.perf_counter()
            read += 1
            if read == plan.count:
                break
    seconds = time.perf_counter() - began
    await consumer.stop()
    return Outcome(plan.count / seconds)


async def run(plan: Plan) -> Outcome:
    if plan.bare:
        return await bare(plan)
    with tempfile.TemporaryDirectory() as folder:
        return await recipient(plan, Path(folder))


if __name__ == "__main__":
    carry_out(Plan, run)
