"""`events republish`: from the ledger again, in each person's order, marked, into the topic that is named (R31)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consent_service.domain.changes import ConsentChange, ConsentState, state_after
from consent_service.domain.errors import Unavailable, UnknownController
from consent_service.domain.values import format_time
from consent_service.events.checking.republish import Refused, Republished, Wanted, republish
from consent_service.events.publishing.kafka import Kafka, PublishingFailed
from consent_service.events.wire.consume import read_change, read_state
from consent_service.usecases.submissions import Caller
from tests.builders import day
from tests.events.laid_out import changes_of, publish_all, verified
from tests.events.streams import Stream, a_record, administrator, by_subject, opened, subject

RECORDS = [a_record(number, sequence) for sequence in (1, 2, 3) for number in (1, 2, 3)]


async def again(stream: Stream, *, bootstrap: str | None = None, **wanted: Any) -> Republished:
    publisher = Kafka(bootstrap or stream.bootstrap).publisher()
    dry_run = wanted.pop("dry_run", False)
    try:
        async with opened(stream.database, "consent_relay") as pool:
            return await republish(
                pool,
                publisher,
                Wanted(**{"controller": "ansettr", "into": f"{stream.prefix}.again", **wanted}),
                Caller("ansettr", "operator", reason="a consumer lost its data"),
                dry_run=dry_run,
            )
    finally:
        await publisher.close()


async def told(stream: Stream, topic: str) -> list[ConsentChange]:
    return [read_change(message).change for message in await stream.messages(topic)]


async def test_R31_everything_is_published_again_in_order_and_marked(stream: Stream) -> None:
    await stream.append_only(RECORDS)
    done = await again(stream)
    changes = await told(stream, f"{stream.prefix}.again")
    settings = await stream.topic_settings(f"{stream.prefix}.again")

    assert (done.messages, done.persons) == (9, 3)
    assert by_subject(changes) == {subject(number): [1, 2, 3] for number in (1, 2, 3)}
    assert sorted(changes, key=lambda one: (one.subject_id, one.sequence)) == await changes_of(
        stream, replayed=True
    )
    assert all(one.replayed for one in changes)
    assert settings["cleanup.policy"] == "delete"


async def test_R31_more_than_a_page_is_published_in_order(stream: Stream) -> None:
    await stream.append_only([a_record(number, sequence) for number in (1, 2) for sequence in range(1, 301)])
    done = await again(stream)

    assert (done.messages, done.persons) == (600, 2)
    assert by_subject(await told(stream, f"{stream.prefix}.again")) == {
        subject(number): list(range(1, 301)) for number in (1, 2)
    }


async def test_R31_what_was_recorded_since_or_one_subject_alone(stream: Stream) -> None:
    await stream.append_only(RECORDS)
    await again(stream, into="since." + stream.prefix, since=day(2))
    await again(stream, into="subject." + stream.prefix, subject_id=subject(2))

    since = await told(stream, "since." + stream.prefix)
    one = await told(stream, "subject." + stream.prefix)
    assert by_subject(since) == {subject(number): [2, 3] for number in (1, 2, 3)}
    assert by_subject(one) == {subject(2): [1, 2, 3]}


async def test_R31_states_go_into_a_topic_that_is_named_so(stream: Stream) -> None:
    await stream.append_only(RECORDS)
    topic = f"again.{stream.prefix}.state.v1"
    done = await again(stream, into=topic)
    states = [read_state(message) for message in await stream.messages(topic)]
    settings = await stream.topic_settings(topic)

    assert done.messages == 3
    assert sorted(states, key=_by_subject) == [
        state_after(change) for change in await changes_of(stream) if change.sequence == 3
    ]
    assert settings["cleanup.policy"] == "compact"


def _by_subject(state: ConsentState | None) -> str:
    assert state is not None
    return str(state.subject_id)


async def test_R31_into_the_live_topic_only_when_asked_for(stream: Stream) -> None:
    await publish_all(stream, RECORDS)
    with pytest.raises(Refused, match="--into-live"):
        await again(stream, into=stream.changes)
    before = await told(stream, stream.changes)
    await again(stream, into=stream.changes, into_live=True)
    report = await verified(stream)

    assert len(before) == 9
    assert report.faults == []
    assert (report.replayed, report.repeated) == (9, 9)


@pytest.mark.parametrize("kind", ["state", "purposes", "notices"])
async def test_R31_never_into_what_the_relay_keeps(stream: Stream, kind: str) -> None:
    with pytest.raises(Refused, match="Delete the topic"):
        await again(stream, into=f"{stream.prefix}.{kind}.v1", into_live=True)


async def test_R31_a_dry_run_only_counts(stream: Stream) -> None:
    await stream.append_only(RECORDS)
    done = await again(stream, dry_run=True)
    async with administrator(stream.bootstrap) as admin:
        topics = await admin.list_topics()

    assert (done.messages, done.persons) == (9, 3)
    assert f"{stream.prefix}.again" not in topics


async def test_what_cannot_be_done_is_said(stream: Stream) -> None:
    await stream.append_only(RECORDS[:1])
    with pytest.raises(UnknownController, match="nobody"):
        await again(stream, controller="nobody")
    with pytest.raises(Refused, match="letters"):
        await again(stream, into="no such/topic")
    with pytest.raises(PublishingFailed):
        await again(stream, bootstrap="127.0.0.1:1")


async def test_R31_a_record_that_cannot_be_read_is_never_skipped(stream: Stream) -> None:
    await stream.append_only(RECORDS)
    connection = await stream.database.connect()
    await connection.execute(
        "set session_replication_role = replica; "
        "update records set standing_preferences = '[]' where sequence = 2"
    )
    await connection.close()

    with pytest.raises(Refused, match="Record 2 of subject"):
        await again(stream)


AUDITED = "select actor, action, reason, subject_id, details::text from audit where action like 'events%'"


async def test_what_is_published_again_is_in_the_audit_trail_before(stream: Stream) -> None:
    """Also where it fails then; a dry run leaves nothing."""
    await stream.append_only(RECORDS)
    await again(stream, dry_run=True)
    assert await stream.run("select count(*) from audit where action like 'events%'") == 0
    with pytest.raises(PublishingFailed):
        await again(stream, bootstrap="127.0.0.1:1", subject_id=subject(2), since=day(1))
    connection = await stream.database.connect()
    [row] = await connection.fetch(AUDITED)
    await connection.close()

    assert tuple(row)[:4] == ("operator", "events.republished", "a consumer lost its data", subject(2))
    assert json.loads(row[4]) == {"into": f"{stream.prefix}.again", "since": format_time(day(1))[:-8] + "Z"}


async def test_nothing_is_published_again_that_the_trail_cannot_tell_of(stream: Stream) -> None:
    await stream.append_only(RECORDS)
    holder = await stream.database.connect()
    async with holder.transaction():
        await holder.execute("lock table audit in share row exclusive mode")
        with pytest.raises(Unavailable):
            await again(stream)
    await holder.close()

    async with administrator(stream.bootstrap) as admin:
        assert f"{stream.prefix}.again" not in await admin.list_topics(), "not even the topic was made"
