"""What may go wrong between a lane and its broker while others share the uplink: nothing is sent behind or ahead (R30, R31)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import client as aiokafka_client
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import CoordinatorNotAvailableError, ProducerFenced
from aiokafka.protocol.produce import ProduceRequest

from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.events.publishing import uplink as uplinks
from consent_service.events.publishing.groups import Work
from consent_service.events.publishing.kafka import Kafka, PublishingFailed
from consent_service.events.publishing.lane import Lane
from consent_service.events.publishing.relay import Relay
from consent_service.events.publishing.uplink import SEND_TIMEOUT_S
from consent_service.storage.relaying import Filled, read_backlog
from tests.events.streams import Stream, opened
from tests.events.test_uplink import found, lanes, some


async def test_what_a_lane_gave_up_before_it_left_is_not_sent_to_a_topic_that_was_made_again(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a relay from which the leases were seized gives its lanes up, without `close`."""
    async with lanes(stream, stream.changes) as (uplink, named):
        assert (await named[0].send([*some(stream.changes, 0, 1, 12)])).failure is None
        may_connect = asyncio.Event()
        connecting = asyncio.Event()
        create_conn = aiokafka_client.create_conn

        async def slow(*arguments: Any, **options: Any) -> Any:
            connecting.set()
            await may_connect.wait()
            return await create_conn(*arguments, **options)

        monkeypatch.setattr(aiokafka_client, "create_conn", slow)
        for conn in uplink._client._conns.values():
            conn.close()
        sending = asyncio.create_task(named[0].send([*some(stream.changes, 0, 2, 12)]))
        await connecting.wait()
        sending.cancel()  # Groups.drop
        await asyncio.wait({sending})
        await named[0].discard()

        monkeypatch.undo()
        await stream.delete_topic(stream.changes)
        other = Kafka(stream.bootstrap).publisher()
        try:
            await other.prepare({stream.changes})
            # All its partitions have leaders now; no lane has spoken there yet.
            assert (await other.send([*some(stream.changes, 0, 9, 12)])).failure is None
        finally:
            await other.close()
        may_connect.set()
        if uplink._requests:
            await asyncio.wait([*uplink._requests])

    assert {message.value for message in await stream.messages(stream.changes)} == {b"9"}


async def test_a_lane_whose_name_cannot_be_claimed_cuts_no_other_lane(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = AIOKafkaClient.coordinator_lookup

    async def of_some(self: AIOKafkaClient, kind: Any, key: str) -> Any:
        if key.endswith("-3"):
            raise CoordinatorNotAvailableError
        return await lookup(self, kind, key)

    send = AIOKafkaClient.send
    on_its_way, may_go = asyncio.Event(), asyncio.Event()

    async def held(self: AIOKafkaClient, node: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            on_its_way.set()
            await may_go.wait()
        return await send(self, node, request, **options)

    async with lanes(stream, stream.changes) as (_, named):
        assert (await named[0].send([*some(stream.changes, 0, 1, 12)])).failure is None
        monkeypatch.setattr(AIOKafkaClient, "coordinator_lookup", of_some)
        monkeypatch.setattr(AIOKafkaClient, "send", held)
        monkeypatch.setattr("consent_service.events.publishing.kafka.CONNECT_TIMEOUT_S", 0.2)
        await named[3].discard()
        sending = asyncio.create_task(named[0].send([*some(stream.changes, 0, 2, 12)]))
        await on_its_way.wait()
        with pytest.raises(PublishingFailed):
            await named[3].prepare({stream.changes})
        may_go.set()
        assert (await sending).failure is None


async def test_a_lane_that_waits_on_a_client_that_another_closed_does_not_close_the_next(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs until its time is up, and then cuts the lanes that have long connected anew."""
    async with lanes(stream, stream.changes) as (uplink, named):
        await named[1].discard()
        waits = asyncio.Event()
        force = AIOKafkaClient.force_metadata_update

        def seen(self: AIOKafkaClient) -> Any:
            waits.set()
            return force(self)

        monkeypatch.setattr(AIOKafkaClient, "force_metadata_update", seen)
        preparing = asyncio.create_task(named[1].prepare({stream.changes}))
        await waits.wait()
        await uplink.close()  # another lane had a retriable failure
        monkeypatch.undo()
        await named[0].discard()
        await named[0].prepare({stream.changes})
        client = uplink._client
        assert client is not None
        await asyncio.wait({preparing})
        preparing.exception()
        assert uplink._client is client


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_what_is_under_way_when_the_uplink_is_given_up_fails_at_once(
    stream: Stream, steps: int
) -> None:
    async with lanes(stream, stream.changes) as (uplink, named):
        sending = asyncio.create_task(named[0].send([*some(stream.changes, 0, 1, 12)]))
        for _ in range(steps):
            await asyncio.sleep(0)
        await uplink.close()
        async with asyncio.timeout(SEND_TIMEOUT_S / 2):
            sent = await sending
        assert sent.failure is not None


async def test_a_client_that_met_a_broker_before_it_may_serve_is_given_up(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KRaft lists no broker until the controller lets it serve."""
    update = aiokafka_client.ClusterMetadata.update_metadata
    told: list[int] = []

    def none_at_first(self: Any, metadata: Any) -> None:
        told.append(1)
        if len(told) == 1:
            metadata.brokers = []
        update(self, metadata)

    monkeypatch.setattr(aiokafka_client.ClusterMetadata, "update_metadata", none_at_first)
    publisher = stream.publisher("one")
    try:
        for _ in range(5):
            try:
                await publisher.prepare({stream.changes})
                break
            except (PublishingFailed, AssertionError):
                pass
        assert publisher.connected
    finally:
        await publisher.close()


async def test_what_was_appended_and_is_sent_again_lies_there_once(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = uplinks._request
    tries = 0

    async def told_too_late(*arguments: Any) -> dict[Any, int]:
        nonlocal tries
        tries += 1
        codes = await request(*arguments)
        return codes if tries > 2 else dict.fromkeys(codes, 7)

    async with lanes(stream, stream.changes) as (_, named):
        assert (await named[0].send([*some(stream.changes, 0, 1, 12)])).failure is None
        monkeypatch.setattr(uplinks, "_request", told_too_late)
        for turn in (2, 3):
            assert (await named[0].send([*some(stream.changes, 0, turn, 12)])).failure is None
    assert tries >= 4
    assert set(map(tuple, (await found(stream, stream.changes)).values())) == {(1, 2, 3)}


@pytest.mark.parametrize("appended", [False, True])
async def test_what_is_sent_again_after_another_has_spoken_is_refused(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, *, appended: bool
) -> None:
    request = uplinks._request
    tried, may_go = asyncio.Event(), asyncio.Event()

    async with lanes(stream, stream.changes) as (uplink, named):
        assert (await named[0].send([*some(stream.changes, 0, 1, 12)])).failure is None

        async def slow(client: Any, leader: int, batches: list[Any]) -> dict[Any, int]:
            if client is not uplink._client:
                return await request(client, leader, batches)
            if tried.is_set():
                await may_go.wait()
                return await request(client, leader, batches)
            if appended:
                await request(client, leader, batches)
            tried.set()
            return {one.where: 7 for one in batches}

        monkeypatch.setattr(uplinks, "_request", slow)
        sending = asyncio.create_task(named[0].send([*some(stream.changes, 0, 2, 12)]))
        await tried.wait()
        other = stream.publisher(str(named[0]._name))
        try:
            await other.prepare({stream.changes})
            assert (await other.send([*some(stream.changes, 0, 3, 12)])).failure is None
        finally:
            await other.close()
        may_go.set()
        sent = await sending
    assert isinstance(sent.failure, ProducerFenced)
    left = {tuple(turns) for turns in (await found(stream, stream.changes)).values()}
    assert left == {(1, 2, 3) if appended else (1, 3)}


async def test_a_lane_that_fills_may_not_write_to_a_topic_that_came_meanwhile_before_it_was_compared(
    stream: Stream,
) -> None:
    async with opened(stream.database, "consent_relay") as pool:
        relay = Relay(pool, Kafka(stream.bootstrap), stream.metrics, holder="one")
        async with pool.session() as connection:
            relay._backlog = await read_backlog(connection, SHARD_GROUPS)
        lane = Lane(0, stream.publisher("one"))
        work = Work(lane)
        try:
            relay._written = {stream.changes}
            await relay._say(lane, relay._written, relay._backlog)
            assert lane.lacks == {}
            lane.lacks = {stream.changes: Filled(lane.lives[stream.changes], 2)}
            relay._written = {stream.changes, stream.state}
            await relay._beat(work)  # Filling.fill, after a page
            lane.lacks.clear()  # Filling.fill, at its end
            assert not lane.may_publish(relay._written)
        finally:
            await lane._publisher.close()
