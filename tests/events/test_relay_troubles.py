"""What may stop one relay, one topic or one person must stop no other (R30, R31)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from consent_service.domain.catalogue import ControllerEntry
from consent_service.embedded.ports import free_port
from consent_service.events.publishing import making
from consent_service.events.publishing.groups import Groups
from consent_service.events.publishing.lane import Lane
from consent_service.events.publishing.uplink import Uplink
from consent_service.events.wire.consume import read_change, read_state
from consent_service.events.wire.topic_ids import read_topic_ids
from consent_service.events.wire.topics import SETTINGS, kind_of, recipients_topics
from consent_service.storage.catalogue import add_controller
from tests.events.streams import (
    Stream,
    a_record,
    administrator,
    by_subject,
    eventually,
    opened,
    replaced,
    subject,
    without_repetition,
)

HELD = "select count(*) from relay_leases where holder = $1"


async def told(stream: Stream) -> dict[int, list[int]]:
    changes = [read_change(message).change for message in await stream.messages(stream.changes)]
    return {
        subject_id.int & 0xFFFF: without_repetition(found)
        for subject_id, found in by_subject(changes).items()
    }


async def test_R31_two_relays_that_miss_the_same_topic_do_not_hinder_each_other(stream: Stream) -> None:
    async with stream.relay("one"), stream.relay("two"):
        await stream.append([a_record(number, 1) for number in range(20)])
        await stream.drained()
        await stream.delete_topic(stream.changes)
        await stream.append([a_record(number, 2) for number in range(20)])
        await stream.drained(40)

    assert await told(stream) == {number: [1, 2] for number in range(20)}


async def test_R30_a_relay_that_does_not_reach_kafka_leaves_its_groups_to_one_that_does(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_service.events.publishing.groups.STAND_BACK_S", 2.0)
    well = stream.bootstrap
    async with stream.relay("well"):
        await stream.drained()
        stream.bootstrap = f"127.0.0.1:{free_port()}"
        async with stream.relay("cut off"):

            async def it_has_some() -> bool:
                return bool(await stream.run(HELD, "cut off") == 4)

            await eventually(it_has_some)
            stream.bootstrap = well
            await stream.append([a_record(number, 1) for number in range(40)])
            await stream.drained()

    assert await told(stream) == {number: [1] for number in range(40)}


async def test_rows_that_cannot_be_read_keep_nobody_else_of_their_shard_waiting(stream: Stream) -> None:
    """Though they fill every batch."""
    await stream.append([a_record(1, 1)])
    async with stream.relay(batch_rows_max=4) as relay:
        await stream.drained()
        await stream.run(
            "insert into outbox (kind, controller, subject_id, sequence, shard) "
            "select 'record', controller, subject_id, 10 + n, shard from subjects, generate_series(1, 20) n"
        )
        shard = await stream.run("select shard from subjects")
        await stream.append([a_record(2, 1)])
        await stream.run("update outbox set shard = $1", shard)
        relay.wake()

        async def the_other_is_through() -> bool:
            return bool(await stream.run("select count(*) = 20 from outbox"))

        await eventually(the_other_is_through)

    assert await told(stream) == {1: [1], 2: [1]}


async def test_a_topic_that_cannot_be_made_holds_back_its_own_controller_alone(stream: Stream) -> None:
    """Kafka refuses a name that differs from another in a dot alone."""
    async with stream.relay():
        await stream.drained()
        async with (
            opened(stream.database, "consent_service") as service,
            service.transaction(["coness"]) as connection,
        ):
            await add_controller(connection, ControllerEntry(slug="coness", legal_name="Coness AS"))
        await stream.run(
            "update controllers set topic_prefix = $1 where controller = 'coness'",
            stream.prefix.replace(".", "_"),
        )
        theirs = replaced(a_record(2, 1), controller="coness", governing_version=None)
        await stream.append([theirs], controller="coness")
        await stream.append([a_record(1, 1)])

        async def one_is_left() -> bool:
            return bool(await stream.run("select count(*) = 1 from outbox where controller = 'coness'"))

        await eventually(one_is_left)
        await stream.append([a_record(1, 2)])

        async def ours_are_through() -> bool:
            return not await stream.run("select exists (select from outbox where controller = 'ansettr')")

        await eventually(ours_are_through)

    assert await told(stream) == {1: [1, 2]}


async def test_R27_a_state_topic_that_comes_after_the_records_is_filled(stream: Stream) -> None:
    """As after an upgrade from a release that had none."""
    async with stream.relay():
        await stream.append([a_record(number, 1) for number in range(20)])
        await stream.drained()
    await stream.delete_topic(stream.state)
    await stream.run("delete from filled_topics where topic = $1", stream.state)

    async with stream.relay():

        async def filled() -> bool:
            states = [read_state(message) for message in await stream.messages(stream.state)]
            return {state.subject_id for state in states if state} == {subject(n) for n in range(20)}

        await eventually(filled)


async def test_R34_topics_that_recipients_write_are_made_again_while_a_relay_runs(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No lane notices: the relay writes nothing there."""
    monkeypatch.setattr(making, "WATCH_S", 0.1)
    topics = recipients_topics(stream.prefix)
    async with stream.relay() as relay, administrator(stream.bootstrap) as admin:
        await stream.append([a_record(1, 1)])
        await stream.drained()
        before = await read_topic_ids(admin._client, topics)
        await admin.delete_topics(list(topics))

        async def are_made_again() -> bool:
            try:
                now = await read_topic_ids(admin._client, topics)
            except KafkaError:
                return False
            return all(now[topic] != before[topic] for topic in topics)

        await eventually(are_made_again)
        await stream.append([a_record(1, 2)])
        await stream.drained()
        assert not relay.failing

    for topic in topics:
        assert (await stream.topic_settings(topic)).items() >= SETTINGS[kind_of(topic)].items()
    assert await told(stream) == {1: [1, 2]}
    assert "a topic was deleted: it is made again" in caplog.messages


@pytest.mark.parametrize("where", [(Lane, "publish"), (Groups, "keep")], ids=["lane", "relay"])
async def test_a_cancellation_that_nobody_asked_for_ends_no_relay(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, where: tuple[type, str]
) -> None:
    """As where a library cancels what the relay waits for."""
    owner, name = where
    works = getattr(owner, name)
    struck = asyncio.Event()

    async def cancelled_once(*arguments: Any, **options: Any) -> Any:
        if not struck.is_set():
            struck.set()
            raise asyncio.CancelledError
        return await works(*arguments, **options)

    async with stream.relay():
        await stream.append([a_record(1, 1)])
        await stream.drained()
        monkeypatch.setattr(owner, name, cancelled_once)
        await stream.append([a_record(1, 2)])
        await asyncio.wait_for(struck.wait(), 10)
        await stream.drained()

    assert await told(stream) == {1: [1, 2]}


async def test_a_relay_whose_connections_are_of_no_use_any_more_begins_anew(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every broker answers, and no other relay is there to take its groups."""
    monkeypatch.setattr("consent_service.events.publishing.groups.STAND_BACK_S", 2.0)
    async with stream.relay() as relay:
        await stream.append([a_record(number, 1) for number in range(20)])
        await stream.drained()
        # aiokafka's client learns no more where anything lies, which each claim waits for.
        relay._groups._uplink._client._sync_task.cancel()
        for work in relay._groups:
            await work.lane.discard()
        await stream.append([a_record(number, 2) for number in range(20)])
        await stream.drained(30)
        assert not relay.failing

    assert await told(stream) == {number: [1, 2] for number in range(20)}


async def test_a_relay_whose_groups_another_took_is_in_trouble_no_more(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_service.events.publishing.groups.STAND_BACK_S", 0.2)

    async def refused(*_: Any) -> None:
        raise KafkaError

    async with stream.relay() as relay:
        await stream.append([a_record(1, 1)])
        await stream.drained()
        monkeypatch.setattr(Uplink, "claim", refused)
        for work in relay._groups:
            await work.lane.discard()

        async def began_anew() -> bool:
            return relay._groups in relay._trouble._failing

        await eventually(began_anew)
        await stream.run(
            "update relay_leases set holder = 'another', expires_at = now() + interval '9 seconds'"
        )

        async def is_well() -> bool:
            return not relay.failing

        await eventually(is_well)
