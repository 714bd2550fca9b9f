"""Whatever goes wrong between ledger and topic: nothing is lost or skipped, nobody's order breaks."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from consent_service.domain.partitions import SHARD_GROUPS, group_of, shard_of, subject_hash
from consent_service.embedded import KafkaServer
from consent_service.embedded.ports import free_port
from consent_service.events.publishing.kafka import Kafka, PublishingFailed
from consent_service.events.publishing.relay import Relay
from consent_service.events.wire.consume import read_change, read_state
from consent_service.events.wire.messages import Message
from consent_service.metrics import Metrics
from tests.databases import TestDatabase
from tests.events.streams import (
    Stream,
    a_record,
    administrator,
    by_subject,
    eventually,
    opened,
    subject,
    without_repetition,
)

HOLDERS = "select string_agg(holder, ' ' order by shard_group) from relay_leases"


async def sequences(stream: Stream) -> dict[int, list[int]]:
    """By subject's number, the sequences in the order in which they lie on the topic."""
    changes = [read_change(message).change for message in await stream.messages(stream.changes)]
    return {subject_id.int & 0xFFFF: found for subject_id, found in by_subject(changes).items()}


async def last_stated(stream: Stream) -> int | None:
    """The sequence of the last state on the topic."""
    states = [read_state(message) for message in await stream.messages(stream.state)]
    return states[-1].sequence if states and states[-1] else None


async def test_R30_two_relays_share_the_groups_and_break_nobodys_order(stream: Stream) -> None:
    await stream.run(
        "update relay_leases set holder = case when shard_group < 4 then 'two' else 'one' end, "
        "expires_at = now() + interval '9 seconds'"
    )

    async with stream.relay("two") as two:
        async with stream.relay("one") as one:
            for sequence in range(1, 11):
                await stream.append([a_record(number, sequence) for number in range(50)])
                one.wake()
                two.wake()
            await stream.drained()
            assert await stream.run(HOLDERS) == "two two two two one one one one"
        for sequence in range(11, 14):
            await stream.append([a_record(number, sequence) for number in range(50)])
        await stream.drained()
        assert await stream.run(HOLDERS) == " ".join(["two"] * SHARD_GROUPS)

    assert await sequences(stream) == {number: list(range(1, 14)) for number in range(50)}
    assert await stream.run(HOLDERS) is None


async def test_R30_what_another_relay_holds_is_left_alone_until_its_lease_expires(stream: Stream) -> None:
    dead = group_of(shard_of(subject_hash(subject(1))))
    living = next(n for n in range(2, 99) if group_of(shard_of(subject_hash(subject(n)))) != dead)
    await stream.run(
        "update relay_leases set holder = 'dead', expires_at = now() + interval '1 minute' where shard_group = $1",
        dead,
    )
    await stream.append([a_record(1, 1), a_record(living, 1)])

    async with stream.relay():

        async def one_left() -> bool:
            return bool(await stream.run("select count(*) = 1 from outbox where kind = 'record'"))

        await eventually(one_left)
        assert set(await sequences(stream)) == {living}
        await stream.run("update relay_leases set expires_at = now() where shard_group = $1", dead)
        await stream.drained()

    assert set(await sequences(stream)) == {1, living}
    assert await stream.run("select epoch from relay_leases where shard_group = $1", dead) == 1


async def test_what_was_acknowledged_but_not_deleted_comes_again_under_the_same_id(stream: Stream) -> None:
    async with stream.relay("killed"):
        await stream.drained()
        await stream.run("revoke delete on outbox from consent_relay")
        await stream.append([a_record(1, 1), a_record(1, 2)])

        async def published() -> bool:
            return len(await stream.messages(stream.changes)) >= 2

        await eventually(published)
    await stream.run("grant delete on outbox to consent_relay")
    async with stream.relay("restarted"):
        await stream.drained()

    events = [read_change(message) for message in await stream.messages(stream.changes)]
    assert len(events) > 2
    assert {event.event_id for event in events} == {str(a_record(1, n).record_id) for n in (1, 2)}
    assert without_repetition([event.change.sequence for event in events]) == [1, 2]


async def test_R31_what_a_dying_database_brings_back_is_told_before_what_came_after_it(
    stream: Stream,
) -> None:
    """The relay's removals are not flushed: a crash undoes the last ones, and it may have more of the same person to
    remove that is on its way, or through."""
    await stream.append([a_record(1, 1)])
    removed = await stream.run("select to_jsonb(o) from outbox o where kind = 'record'")
    async with stream.relay() as relay:
        await stream.drained()
        await stream.run("revoke delete on outbox from consent_relay")
        await stream.append([a_record(1, 2)])

        async def published() -> bool:
            return await last_stated(stream) == 2

        await eventually(published)
        await stream.run(
            "insert into outbox overriding system value select r.* from jsonb_populate_record(null::outbox, $1) r",
            removed,
        )
        await stream.run("grant delete on outbox to consent_relay")
        relay.wake()
        await stream.drained()

    assert await last_stated(stream) == 2


async def test_R25_a_broker_that_starts_late_gets_everything(
    database: TestDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "consent_service")
    port = free_port()
    broker = KafkaServer(tmp_path, port=port)
    stream = Stream(database, f"127.0.0.1:{port}")
    await stream.prepare()
    await stream.append([a_record(1, 1), a_record(2, 1)])

    async with AsyncExitStack() as engines:
        async with stream.relay() as relay:

            async def tried_often() -> bool:
                return (stream.metrics.registry.get_sample_value("consent_publish_failures_total") or 0) >= 3

            await eventually(tried_often)
            while_away = relay.failing
            await engines.enter_async_context(broker)
            await stream.append([a_record(1, 2)])
            await stream.drained()
            assert (while_away, relay.failing) == (True, False)
            assert await sequences(stream) == {1: [1, 2], 2: [1]}
            await relay_stands_a_frozen_broker(stream, broker)
        await publisher_gives_up_without_a_trace(stream, broker)

    lines = [
        record.getMessage() for record in caplog.records if record.name.startswith("consent_service.events")
    ]
    failures = stream.metrics.registry.get_sample_value("consent_publish_failures_total") or 0
    assert 2 <= lines.count("publishing stands still") < failures
    assert lines.count("publishing goes on") == lines.count("publishing stands still")


async def relay_stands_a_frozen_broker(stream: Stream, broker: KafkaServer) -> None:
    """aiokafka alone would wait for ever, and deliver what it held behind what came later."""
    before = stream.metrics.registry.get_sample_value("consent_publish_failures_total") or 0
    broker.pause()
    await stream.append([a_record(1, 3), a_record(2, 2)])

    async def given_up() -> bool:
        return (stream.metrics.registry.get_sample_value("consent_publish_failures_total") or 0) > before

    await eventually(given_up)
    await stream.append([a_record(1, 4)])
    broker.resume()
    await stream.drained()
    found = await sequences(stream)
    assert without_repetition(found[1]) == [1, 2, 3, 4]
    assert without_repetition(found[2]) == [1, 2]


async def publisher_gives_up_without_a_trace(stream: Stream, broker: KafkaServer) -> None:
    """Nothing of it is left that could deliver later what it held."""
    before = asyncio.all_tasks()
    publisher = Kafka(stream.bootstrap).publisher()
    await publisher.prepare({stream.changes})
    broker.pause()

    sent = await publisher.send([Message(stream.changes, b"key", b"value", (), 0)])

    broker.resume()
    assert sent.acknowledged == ()
    assert isinstance(sent.failure, TimeoutError)
    # Consumers that other tests have closed may still be fetching.
    left = [task for task in asyncio.all_tasks() - before if "Fetcher" not in repr(task)]
    assert left == []


async def test_a_broker_that_refuses_holds_everything_back_and_nothing_is_lost(stream: Stream) -> None:
    await stream.append([a_record(1, 1)])
    async with stream.relay() as relay:
        await stream.drained()
        await stream.set_topic(stream.changes, {"max.message.bytes": "10"})
        await stream.append([a_record(1, sequence) for sequence in range(2, 6)])

        async def stands_still() -> bool:
            return relay.failing

        await eventually(stands_still)
        await stream.set_topic(stream.changes, {"max.message.bytes": "1048588"})
        await stream.drained()

    assert without_repetition((await sequences(stream))[1]) == [1, 2, 3, 4, 5]


async def test_a_relay_whose_connections_are_cut_goes_on(stream: Stream) -> None:
    async with stream.relay() as relay:
        for sequence in range(1, 8):
            await stream.append([a_record(number, sequence) for number in range(10)])
            relay.wake()
            await stream.run(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where usename = 'consent_relay' and datname = current_database()"
            )
        await stream.drained()

    found = await sequences(stream)
    assert {n: without_repetition(got) for n, got in found.items()} == {
        n: list(range(1, 8)) for n in range(10)
    }


async def test_a_row_that_points_at_nothing_stops_its_subject_alone(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    await stream.append([a_record(1, 1), a_record(2, 1)])
    await stream.run(
        "insert into outbox (kind, controller, subject_id, sequence, shard) "
        "select 'record', controller, subject_id, 2, shard from outbox where subject_id = $1",
        subject(1),
    )
    await stream.append([a_record(1, 3), a_record(2, 2)])

    async with stream.relay() as relay:

        async def others_are_through() -> bool:
            return bool(await stream.run("select count(*) = 2 from outbox"))

        await eventually(others_are_through)
        assert await sequences(stream) == {1: [1], 2: [1, 2]}
        await stream.append_only([a_record(1, 2)])
        relay.wake()
        await stream.drained()

    assert await sequences(stream) == {1: [1, 2, 3], 2: [1, 2]}
    assert [r.getMessage() for r in caplog.records].count(
        "an event cannot be read; what follows it waits"
    ) == 1


async def test_a_relay_may_be_stopped_before_it_starts_and_twice(stream: Stream) -> None:
    await stream.append([a_record(1, 1)])
    stop = asyncio.Event()
    stop.set()
    async with opened(stream.database, "consent_relay") as pool:
        relay = Relay(pool, Kafka(stream.bootstrap), Metrics(), holder="one")
        await relay.run(stop)
        assert await stream.run("select count(*) from outbox where kind = 'record'") == 1

        stop.clear()
        running = asyncio.create_task(relay.run(stop))
        await stream.drained()
        stop.set()
        stop.set()
        await asyncio.wait_for(running, 3)

    assert await stream.run(HOLDERS) is None


async def test_a_relay_stops_within_seconds_while_a_broker_answers_nothing(stream: Stream) -> None:
    connected = asyncio.Event()
    hang_up = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await hang_up.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        stream.bootstrap = f"127.0.0.1:{port}"
        async with stream.relay(patience_s=8):
            await asyncio.wait_for(connected.wait(), 5)
        hang_up.set()

    assert await stream.run(HOLDERS) is None
    assert await stream.run("select count(*) from outbox") == 1


async def test_what_does_not_fit_into_a_batch_waits_for_the_next(stream: Stream) -> None:
    publisher = Kafka(stream.bootstrap).publisher()
    large = [Message(stream.purposes, b"key", bytes(300_000), (), 0) for _ in range(3)]
    try:
        await publisher.prepare({stream.purposes})
        first = await publisher.send(large)
        second = await publisher.send(large[1:])
    finally:
        await publisher.close()

    assert (first.acknowledged, first.failure) == ((0,), None)
    assert (second.acknowledged, second.failure) == ((0,), None)


async def test_a_publisher_that_is_not_connected_says_so(stream: Stream) -> None:
    with pytest.raises(PublishingFailed):
        await Kafka(stream.bootstrap).publisher().send([Message(stream.changes, b"key", b"value", (), 0)])
    async with administrator(stream.bootstrap) as admin:
        assert stream.changes not in await admin.list_topics()
