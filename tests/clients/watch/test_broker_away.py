"""The topic of changes while its broker is out of reach, and messages that nobody understands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from consent_client.errors import NotUnderstood
from consent_client.model import Change, Heartbeat
from consent_client.watch.kafka import Told, read_changes

from consent_service.cli.run import cache_dir
from consent_service.domain.changes import ConsentChange
from consent_service.embedded import KafkaServer
from consent_service.embedded.ports import HOST, free_port
from consent_service.events.wire.encode import encode
from tests.clients.recipient.systems import until
from tests.events.feeds import Topic, change
from tests.faults.proxy import Proxy

PREFIX, PATIENCE_S = "watched", 30.0


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Topic, Proxy]]:
    """A topic, and a way to its broker that can be cut."""
    proxy = Proxy(free_port())
    folder: Path = tmp_path_factory.mktemp("kafka-with-a-door")
    doors = {proxy.target_port: proxy.port}
    async with KafkaServer(folder, cache_dir=cache_dir(), doors=doors) as broker, proxy:
        async with Topic(broker.bootstrap, PREFIX, 2).open() as topic:
            yield topic, proxy


async def say(topic: Topic, value: bytes | None, change: ConsentChange, kind: str | None = None) -> None:
    """The change's message with another value or kind."""
    message = encode(change, topic.prefix)
    headers = [
        (name, kind.encode() if kind and name == "ce_type" else told) for name, told in message.headers
    ]
    producer = AIOKafkaProducer(bootstrap_servers=topic.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(topic.name, value, message.key, partition=0, headers=headers)
    finally:
        await producer.stop()


async def next_told(stream: AsyncGenerator[Told | None, None]) -> Told:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            told = await anext(stream)
            if told is not None:
                return told


async def test_it_waits_for_a_broker_that_is_away_and_misses_nothing(stage: tuple[Topic, Proxy]) -> None:
    topic, proxy = stage
    await topic.publish([change(1, 1)])
    address, said = f"{HOST}:{proxy.port}", list[str]()
    stream = read_changes(address, PREFIX, from_beginning=True, say=said.append)
    async with aclosing(stream):
        found = [await next_told(stream)]
        proxy.cut()
        await topic.publish([change(1, 2), change(2, 1)])
        # It tells nothing meanwhile, and does not end.
        assert [await anext(stream), await anext(stream)] == [None, None]
        await until(lambda: len(said) == 1)
        await proxy.heal()
        found += [await next_told(stream), await next_told(stream)]
        await until(lambda: len(said) == 2)

    assert said[0].startswith(f"Kafka cannot be reached at {address} (")
    assert said[1] == f"Kafka is reached again at {address}"
    told = [told.what for told in found if isinstance(told.what, Change)]
    assert sorted((str(one.subject_id), one.sequence) for one in told) == sorted(
        (str(one.subject_id), one.sequence) for one in (change(1, 1), change(1, 2), change(2, 1))
    )


async def test_what_is_of_another_kind_is_left_out_and_what_is_not_understood_is_told_with_its_place(
    stage: tuple[Topic, Proxy],
) -> None:
    topic, _ = stage
    stream = read_changes(topic.bootstrap, PREFIX, from_beginning=False)
    async with aclosing(stream):
        assert await anext(stream) is None
        await say(topic, b"?", change(1, 3), kind="consent.of_a_later_release.v1")
        await say(topic, b"\xff", change(1, 3))
        await topic.publish([change(1, 3)], partition=0)
        await topic.beat()
        # Order is per partition: the other one has a heartbeat alone.
        found = [await next_told(stream) for _ in range(4)]
    fault, good, beat = [told for told in found if told.partition == 0]

    assert isinstance(fault.what, NotUnderstood)
    assert isinstance(good.what, Change)
    assert isinstance(beat.what, Heartbeat)
    assert good.offset == fault.offset + 1
