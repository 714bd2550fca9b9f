"""A consumer with a gate, in a process of its own: a plan on standard input, the outcome on output."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from datetime import timedelta
from statistics import median_high
from uuid import UUID

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from consent_client.gate import ConsentGate
from consent_client.wire.topics import state_topic

from benchmarks.plans import carry_out

#: What is read was told before, and nobody goes on telling.
IN_TOUCH = timedelta(hours=1)
ROUNDS = 5
_FETCH_BYTES_MAX = 4 * 1024 * 1024


class Plan(msgspec.Struct, frozen=True):
    """`pairs` subjects from the id `first` on. Answers are asked for during `seconds` on each side."""

    bootstrap: str
    prefix: str
    controller: str
    purpose: str
    first: str
    pairs: int
    seconds: float


class Outcome(msgspec.Struct, frozen=True):
    """Until the gate was ready, and until a consumer alone had read as much; what the gate added to the process."""

    ready_s: float
    bare_s: float
    bytes_per_pair: float
    longest_pause_ms: float
    rate: float
    dictionary_rate: float


async def run(plan: Plan) -> Outcome:
    process = psutil.Process()
    before = process.memory_info().rss
    pauses = asyncio.create_task(_pauses())
    began = time.perf_counter()
    gate = ConsentGate.kafka(
        plan.bootstrap, controller=plan.controller, prefix=plan.prefix, out_of_touch_after=IN_TOUCH
    )
    async with gate:
        await gate.ready(timedelta(minutes=10))
        ready_s = time.perf_counter() - began
        pauses.cancel()
        [longest] = await asyncio.gather(pauses)
        gc.collect()
        grown = process.memory_info().rss - before
        if len(gate) != plan.pairs:
            raise RuntimeError(f"the gate knows {len(gate)} pairs")
        rate, dictionary_rate = _rates(gate, plan)
    return Outcome(ready_s, await _bare(plan), grown / plan.pairs, longest * 1000, rate, dictionary_rate)


async def _pauses() -> float:
    """The longest time for which nothing else got its turn, until it is cancelled; seconds."""
    longest = 0.0
    try:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - began)
    except asyncio.CancelledError:
        return longest


def _rates(gate: ConsentGate, plan: Plan) -> tuple[float, float]:
    """Of the round whose ratio is the median."""
    if not plan.seconds:
        return 0.0, 0.0
    ids = [UUID(int=int(plan.first) + number) for number in range(plan.pairs)]
    bare = dict.fromkeys(ids, True)
    rounds = [(_asked(gate, ids, plan), _looked_up(bare, ids, plan)) for _ in range(ROUNDS)]
    ratios = [asked / looked_up for asked, looked_up in rounds]
    return rounds[ratios.index(median_high(ratios))]


def _asked(gate: ConsentGate, ids: Sequence[UUID], plan: Plan) -> float:
    allows, purpose = gate.allows, plan.purpose
    ends = time.perf_counter() + plan.seconds / ROUNDS
    began, count, yes = time.perf_counter(), 0, 0
    while time.perf_counter() < ends:
        for one in ids:
            if allows(one, purpose):
                yes += 1
        count += len(ids)
    if yes * 2 != count:
        raise RuntimeError(f"{yes} of {count} answers were yes")
    return count / (time.perf_counter() - began)


def _looked_up(bare: dict[UUID, bool], ids: Sequence[UUID], plan: Plan) -> float:
    ends = time.perf_counter() + plan.seconds / ROUNDS
    began, count, yes = time.perf_counter(), 0, 0
    while time.perf_counter() < ends:
        for one in ids:
            if bare[one]:
                yes += 1
        count += len(ids)
    return count / (time.perf_counter() - began)


async def _bare(plan: Plan) -> float:
    """A consumer alone, which throws away what it reads."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=plan.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES_MAX,
    )
    began = time.perf_counter()
    await consumer.start()
    try:
        await consumer.topics()
        topic = state_topic(plan.prefix)
        cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001
        places = [
            TopicPartition(topic, number) for number in sorted(cluster.partitions_for_topic(topic) or ())
        ]
        consumer.assign(places)
        left = sum((await consumer.end_offsets(places)).values())
        while left > 0:
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                left -= len(messages)
        return time.perf_counter() - began
    finally:
        await consumer.stop()


if __name__ == "__main__":
    carry_out(Plan, run, asyncio.run)
