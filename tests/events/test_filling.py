"""The compacted state topic; and topics that are filled again from the ledger, without a hand (R27 to R31)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from consent_service.domain.changes import state_after
from consent_service.domain.partitions import group_of, shard_of, subject_hash
from consent_service.domain.values import Command, Reason, Status
from consent_service.events.publishing.relay import Relay
from consent_service.events.wire.consume import read_change, read_state
from consent_service.events.wire.heartbeats import is_heartbeat, read_heartbeat
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from tests.builders import a_version, day
from tests.events.streams import (
    Stream,
    a_record,
    by_subject,
    consumer,
    eventually,
    read_to_end,
    replaced,
    subject,
)

#: Each takes two milliseconds at the least.
PAGES = 400
FILLED = "select bool_and(ledger_epoch = $1) and count(*) = 25 from filled_topics"


async def changes_on(stream: Stream) -> list[Any]:
    return [read_change(message).change for message in await stream.messages(stream.changes)]


async def states_on(stream: Stream) -> dict[bytes, Any]:
    """What compaction would leave: the last of each key."""
    last = {message.key: message for message in await stream.messages(stream.state)}
    return {key: read_state(message) for key, message in last.items()}


async def begin_anew(stream: Stream, relay: Relay) -> None:
    """A new ledger epoch; returns once the relay has filled every topic with it."""
    await stream.run("insert into ledger_epoch (epoch, reason) values (2, 'restored')")
    relay._look_at = float("-inf")

    async def told() -> bool:
        return bool(await stream.run(FILLED, 2))

    await eventually(told)


async def test_R27_a_state_says_what_stands_after_the_last_change_of_its_pair(stream: Stream) -> None:
    analytics = {"purpose": "markedsanalyse"}
    await stream.append(
        [
            a_record(1, 1),
            replaced(
                a_record(1, 2), command=Command.GRANT, until=day(900), allowed=True, reason=Reason.GIVEN
            ),
            replaced(a_record(1, 3), **analytics, governing_version=None),
            replaced(a_record(1, 4), **analytics, governing_version=None),
            a_record(2, 1),
        ]
    )

    async with stream.relay():
        await stream.drained()

    states = await states_on(stream)
    last = {(c.subject_id, c.purpose): c for c in await changes_on(stream)}
    assert {
        f"ansettr/{subject_id}/{purpose}".encode(): state_after(change)
        for (subject_id, purpose), change in last.items()
    } == states
    assert len(states) == 3
    assert {message.partition for message in await stream.messages(stream.state)} == {
        message.partition for message in await stream.messages(stream.changes)
    }
    settings = await stream.topic_settings(stream.state)
    assert (settings["cleanup.policy"], settings["max.compaction.lag.ms"]) == ("compact", str(86_400_000))


async def test_R29_a_withdrawal_is_a_value_and_never_a_tombstone(stream: Stream) -> None:
    await stream.append([a_record(1, 1)])
    async with stream.relay():
        await stream.drained()
        await stream.append([a_record(1, 2)])
        await stream.drained()

    messages = await stream.messages(stream.state)
    states = [read_state(message) for message in messages]
    assert [state and state.status for state in states] == [Status.GIVEN, Status.WITHDRAWN]


@pytest.mark.parametrize("who", ["changes", "state", "purposes"])
async def test_R31_a_topic_that_was_deleted_is_filled_again_by_itself(stream: Stream, who: str) -> None:
    """In order, marked as replayed, and before anything new; the other topics are left as they are."""
    topic = {"changes": stream.changes, "state": stream.state, "purposes": stream.purposes}[who]
    people = range(30)
    async with stream.relay(batch_rows_max=50):
        for sequence in range(1, 4):
            await stream.append([a_record(number, sequence) for number in people])
        await stream.drained()
        untouched = {other: len(await stream.messages(other)) for other in (stream.changes, stream.state)}
        await stream.delete_topic(topic)
        for sequence in range(4, 7):
            await stream.append([a_record(number, sequence) for number in people])
        await stream.publish_version(a_version(2, legal_bases="legitimate_interests"))
        await stream.drained(60)

    found = by_subject(await changes_on(stream))
    for number in people:
        seen = found[subject(number)]
        # In the order in which each is seen first: nothing is missing, and nothing older comes behind.
        assert list(dict.fromkeys(seen)) == list(range(1, 7))
    assert {state.sequence for state in (await states_on(stream)).values()} == {6}
    purposes = [pb.PurposePublished.FromString(m.value) for m in await stream.messages(stream.purposes)]
    assert purposes[-1].version == 2
    replayed = [change.sequence for change in await changes_on(stream) if change.replayed]
    if who == "changes":
        assert len(replayed) >= 90
        assert (await stream.topic_settings(topic))["retention.ms"] == str(30 * 86_400_000)
    else:
        assert replayed == []
        assert untouched[stream.changes] == 90
    if who == "purposes":
        assert purposes[0].replayed


async def test_R31_while_a_group_fills_a_topic_it_says_that_it_lives_and_is_not_up_to_date(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consent_service.events.publishing.relay.HEARTBEAT_S", 0.5)
    monkeypatch.setattr("consent_service.events.publishing.filling._PAGE_ROWS", 1)
    await stream.append([a_record(1, sequence) for sequence in range(1, PAGES + 1)])
    async with stream.relay() as relay:
        await stream.drained()
        await begin_anew(stream, relay)

    partition = (await stream.messages(stream.changes))[0].partition
    group = group_of(shard_of(subject_hash(subject(1))))
    between: list[float] = []
    replayed = 0
    async with consumer(stream.bootstrap) as reader:
        for message in await read_to_end(reader, stream.changes):
            if message.partition != partition:
                continue
            if not is_heartbeat(message):
                replayed += read_change(message).change.replayed
            elif 0 < replayed < PAGES and (beat := read_heartbeat(message)).shard_group == group:
                between.append(beat.oldest_unpublished.total_seconds())
    assert replayed == PAGES
    assert between
    assert min(between) > 50 * 365 * 86_400


async def test_R31_a_new_ledger_epoch_is_told_to_changes_and_states(stream: Stream) -> None:
    await stream.append([a_record(1, 1), a_record(1, 2), a_record(2, 1)])
    async with stream.relay() as relay:
        await stream.drained()
        await begin_anew(stream, relay)
        await stream.append([a_record(1, 3)])
        await stream.drained()

    changes = await changes_on(stream)
    assert [(c.ledger_epoch, c.sequence, c.replayed) for c in changes if c.subject_id == subject(1)] == [
        (1, 1, False),
        (1, 2, False),
        (2, 1, True),
        (2, 2, True),
        (2, 3, False),
    ]
    states = await states_on(stream)
    assert {(state.ledger_epoch, state.sequence) for state in states.values()} == {(2, 3), (2, 1)}


async def test_R31_topics_that_are_met_for_the_first_time_are_not_filled(stream: Stream) -> None:
    await stream.append([a_record(1, 1)])
    async with stream.relay():
        await stream.drained()
    async with stream.relay("another"):
        await stream.append([a_record(1, 2)])
        await stream.drained()

    assert [change.sequence for change in await changes_on(stream)] == [1, 2]
    assert msgspec.structs.asdict((await changes_on(stream))[0])["replayed"] is False


async def test_R28_a_prefix_that_is_met_for_the_first_time_gets_the_purposes_and_states_that_stand(
    stream: Stream,
) -> None:
    """What was published under another prefix is in the outbox no more."""
    await stream.append([a_record(1, 1)])
    async with stream.relay():
        await stream.drained()
    await stream.moves_to(f"{stream.prefix}.later")
    async with stream.relay("another"):
        await stream.append([a_record(1, 2)])
        await stream.drained()

    purposes = [pb.PurposePublished.FromString(m.value) for m in await stream.messages(stream.purposes)]
    assert [(told.purpose, told.version, told.replayed) for told in purposes] == [("nyhetsbrev", 1, True)]
    assert {state.sequence for state in (await states_on(stream)).values()} == {2}
