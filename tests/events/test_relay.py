"""The relay on a real PostgreSQL and a real Kafka: everything staged is published, in order, until it is."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from aiokafka.partitioner import DefaultPartitioner

from consent_service.domain.records import Preferences
from consent_service.domain.values import Basis, Channel, Command, Reason, Status
from consent_service.events.wire.consume import read_change
from consent_service.events.wire.heartbeats import is_heartbeat
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from tests.builders import a_version, day
from tests.events.samples import TRACEPARENT
from tests.events.streams import (
    Stream,
    a_record,
    by_subject,
    consumer,
    eventually,
    replaced,
    topic_partitions,
)


async def test_R27_an_event_says_what_the_record_says(stream: Stream) -> None:
    record = replaced(
        a_record(1, 1),
        until=day(1000),
        occurred_at=day(0.5),
        effective_at=day(0.5),
        channel=Channel.PAPER,
        source="brevo",
        preferences=Preferences(topics=("jobs",)),
        standing_preferences=Preferences(topics=("jobs", "news")),
    )
    await stream.append([record], TRACEPARENT)

    async with stream.relay():
        await stream.drained()

    [message] = await stream.messages(stream.changes)
    received = read_change(message)
    change = received.change
    assert received.traceparent == TRACEPARENT
    assert (change.record_id, change.controller, change.subject_id) == (
        record.record_id,
        "ansettr",
        record.subject_id,
    )
    assert (change.sequence, change.purpose, change.command) == (1, "nyhetsbrev", Command.GRANT)
    assert (change.status, change.allowed, change.reason) == (Status.GIVEN, True, Reason.GIVEN)
    assert (change.version, change.standing_version, change.governing_version) == (1, 1, 1)
    assert (change.recorded_at, change.occurred_at, change.effective_at) == (day(1), day(0.5), day(0.5))
    assert (change.until, change.source, change.legal_bases) == (day(1000), "brevo", (Basis.CONSENT,))
    assert change.preferences == Preferences(topics=("jobs", "news"))
    assert (change.superseded, change.replayed, change.cause, change.ledger_epoch) == (False, False, None, 1)


async def test_CORE_7_an_until_that_permits_nothing_is_not_told(stream: Stream) -> None:
    requested = replaced(
        a_record(1, 1), status=Status.REQUESTED, allowed=False, reason=Reason.REQUESTED, until=day(8)
    )
    await stream.append([requested])

    async with stream.relay():
        await stream.drained()

    [message] = await stream.messages(stream.changes)
    assert read_change(message).change.until is None


async def test_CORE_20_bases_are_those_of_the_version_that_governed_the_decision(stream: Stream) -> None:
    await stream.publish_version(a_version(2, legal_bases="consent legitimate_interests"))
    await stream.append([a_record(1, 1), replaced(a_record(1, 2), governing_version=2)])

    async with stream.relay():
        await stream.drained()

    changes = [read_change(message).change for message in await stream.messages(stream.changes)]
    assert [change.legal_bases for change in changes] == [
        (Basis.CONSENT,),
        (Basis.CONSENT, Basis.LEGITIMATE_INTERESTS),
    ]


async def test_R13_a_person_wide_record_is_published_too(stream: Stream) -> None:
    wide = ("purpose", "status", "version", "governing_version", "allowed", "reason", "standing_version")
    await stream.append([replaced(a_record(1, 1), command=Command.RESTRICT, **dict.fromkeys(wide))])

    async with stream.relay():
        await stream.drained()

    [message] = await stream.messages(stream.changes)
    change = read_change(message).change
    assert (change.command, change.purpose, change.status, change.allowed) == (
        Command.RESTRICT,
        None,
        None,
        None,
    )


async def test_R26_every_record_of_many_subjects_arrives_once_and_in_order(stream: Stream) -> None:
    subjects, length = 100, 12
    for sequence in range(1, length + 1):
        await stream.append([a_record(number, sequence) for number in range(subjects)])

    async with stream.relay(batch_rows_max=70):
        await stream.drained()

    messages = await stream.messages(stream.changes)
    assert {message.partition for message in messages} == set(range(12))
    found = by_subject(read_change(message).change for message in messages)
    assert len(found) == subjects
    assert all(sequences == list(range(1, length + 1)) for sequences in found.values())
    assert stream.metrics.registry.get_sample_value("consent_published_total", {"kind": "record"}) == 1200


async def test_R26_a_subject_lies_in_the_partition_that_kafkas_own_clients_compute(stream: Stream) -> None:
    await stream.append([a_record(number, 1) for number in range(40)])

    async with stream.relay():
        await stream.drained()

    for message in await stream.messages(stream.changes):
        assert message.partition == DefaultPartitioner()(message.key, list(range(12)), [])


async def test_R28_a_published_version_tells_what_consumers_must_know(stream: Stream) -> None:
    later = a_version(2, legal_bases="legitimate_interests", effective_from=day(500), renew_after="P1Y")
    await stream.publish_version(msgspec.structs.replace(later, published_at=day(400)))

    async with stream.relay():
        await stream.drained()

    first, second = await stream.messages(stream.purposes)
    assert first.key == second.key == b"ansettr/nyhetsbrev"
    told = pb.PurposePublished.FromString(second.value)
    assert [version.version for version in told.versions] == [1, 2]
    assert [version.oldest_valid_version for version in told.versions] == [1, 2]
    assert [version.default_permission.allowed for version in told.versions] == [False, True]
    assert told.versions[1].effective_from.ToDatetime(day(0).tzinfo) == day(500)
    assert [version.version for version in pb.PurposePublished.FromString(first.value).versions] == [1]


async def test_topics_are_made_as_documented(stream: Stream) -> None:
    await stream.append([a_record(1, 1)])

    async with stream.relay():
        await stream.drained()

    async with consumer(stream.bootstrap) as reader:
        assert len(await topic_partitions(reader, stream.changes)) == 12
        assert len(await topic_partitions(reader, stream.purposes)) == 1
    changes = await stream.topic_settings(stream.changes)
    purposes = await stream.topic_settings(stream.purposes)
    assert (changes["cleanup.policy"], changes["retention.ms"]) == ("delete", str(30 * 86_400_000))
    assert (purposes["cleanup.policy"], purposes["max.compaction.lag.ms"]) == ("compact", str(86_400_000))


async def next_change(reader: Any) -> Any:
    while is_heartbeat(message := await reader.getone()):
        pass
    return message


async def test_waking_publishes_at_once(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_POLL_BUSY_S", "_POLL_IDLE_S"):
        monkeypatch.setattr(f"consent_service.events.publishing.relay.{name}", 3600.0)

    async with stream.relay() as relay, consumer(stream.bootstrap) as reader:

        async def at_work() -> bool:
            return bool(await stream.messages(stream.purposes))

        await eventually(at_work)
        await stream.append([a_record(1, 1)])
        relay.wake()
        reader.assign(await topic_partitions(reader, stream.changes))
        for sequence in range(1, 6):
            message = await asyncio.wait_for(next_change(reader), 5)
            assert read_change(message).change.sequence == sequence
            await stream.append([a_record(1, sequence + 1)])
            relay.wake()


async def test_without_waking_the_relay_looks_by_itself(stream: Stream) -> None:
    async with stream.relay():
        for sequence in range(1, 4):
            await stream.append([a_record(1, sequence)])
            await stream.drained()

    assert len(await stream.messages(stream.changes)) == 3


async def test_R30_positions_follow_the_sequence_of_each_subject(stream: Stream) -> None:
    """Whatever the order in which a batch's rows reach the outbox."""
    records = [a_record(number, sequence) for sequence in range(1, 41) for number in (3, 1, 2)]
    await stream.append(records)

    for number in (1, 2, 3):
        sequences = await stream.run(
            "select array_agg(sequence order by position) from outbox where subject_id = $1",
            a_record(number, 1).subject_id,
        )
        assert sequences == list(range(1, 41))
