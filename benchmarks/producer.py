"""The ceiling of draining: an idempotent producer alone that sends as many messages of the same size to two topics.

In a process of its own: a plan on standard input, the outcome on output.
"""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.plans import carry_out
from consent_service.domain.partitions import CHANGES_PARTITIONS
from consent_service.events.publishing.administration import administering, make_topics
from consent_service.events.wire.topics import changes_topic, state_topic

KEY = b"0198f3a2-7c11-7000-8000-00000000a11a"
HEADERS = [(f"ce_header_{number}", bytes(24)) for number in range(9)]
CHANGE_BYTES, STATE_BYTES = 300, 250
BATCH_BYTES_MAX = 512 * 1024


class Plan(msgspec.Struct, frozen=True):
    """`events` are changes; each comes with a state. The producer waits for every `batch` of them."""

    bootstrap: str
    prefix: str
    events: int
    batch: int


class Outcome(msgspec.Struct, frozen=True):
    """Events a second."""

    rate: float


async def run(plan: Plan) -> Outcome:
    topics = (changes_topic(plan.prefix), state_topic(plan.prefix))
    async with administering(plan.bootstrap) as admin:
        await make_topics(admin, topics, 1)
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=plan.bootstrap, enable_idempotence=True, max_batch_size=BATCH_BYTES_MAX
    )
    await producer.start()
    await _send(producer, topics, plan.batch)  # it knows its partitions now
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    for _ in range(plan.events // plan.batch):
        await _send(producer, topics, plan.batch)
    passed = time.perf_counter() - began
    await producer.stop()
    return Outcome(plan.events // plan.batch * plan.batch / passed)


async def _send(producer: Any, topics: tuple[str, str], events: int) -> None:
    sent = []
    for topic, size, headers in zip(topics, (CHANGE_BYTES, STATE_BYTES), (HEADERS, HEADERS[:5]), strict=True):
        for partition in range(CHANGES_PARTITIONS):
            batch = producer.create_batch()
            for _ in range(events // CHANGES_PARTITIONS):
                batch.append(timestamp=None, key=KEY, value=bytes(size), headers=headers)
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)


if __name__ == "__main__":
    carry_out(Plan, run)
