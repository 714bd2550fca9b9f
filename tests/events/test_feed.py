"""The feed for readers without Kafka: from any place on, without loss and without repetition (R32)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from consent_service.domain.changes import ConsentChange
from consent_service.domain.errors import InvalidRequest, NoLongerKept, Overloaded, Unavailable
from consent_service.embedded import KafkaServer
from consent_service.events.feed.places import Place
from consent_service.metrics import Metrics
from consent_service.usecases.submissions import Caller
from tests.events.feeds import ANSETTR, Event, Topic, blocks, change, read, reading
from tests.events.streams import eventually, subject

SUBJECTS, EACH = 6, 4
_prefixes = itertools.count(1)


@pytest.fixture
async def topic(kafka: KafkaServer) -> AsyncIterator[Topic]:
    """Three partitions under a prefix of this test's own."""
    async with Topic(kafka.bootstrap, f"feed-{next(_prefixes)}", 3).open() as made:
        yield made


def a_story() -> list[ConsentChange]:
    """Some subjects' changes, in turn."""
    return [change(number, sequence) for sequence in range(1, EACH + 1) for number in range(SUBJECTS)]


def keys(events: list[Event]) -> list[tuple[str, int]]:
    return [event.key for event in events]


def in_order(events: list[Event]) -> bool:
    """Whether each subject's sequences rise by one."""
    last: dict[str, int] = {}
    for subject_id, sequence in keys(events):
        if last.setdefault(subject_id, sequence - 1) != sequence - 1:
            return False
        last[subject_id] = sequence
    return True


async def test_R32_a_stream_goes_on_behind_any_event_without_loss_or_repetition(topic: Topic) -> None:
    """Cut at every event: resumed in the same process and in another, from the window and from Kafka itself."""
    story = a_story()
    async with topic.feed() as feed:
        beginning = await feed.newest("ansettr")
        for part in range(0, len(story), 6):
            await topic.publish(story[part : part + 6])
            await topic.beat()
        whole = await read(await feed.open(ANSETTR, beginning), len(story))
        assert sorted(keys(whole)) == sorted((str(one.subject_id), one.sequence) for one in story)
        assert in_order(whole)
        cuts = [beginning, *(event.id for event in whole)]
        async with topic.feed(window_rows_max=3, catch_ups_max=2 * len(cuts)) as other:
            for process, place in itertools.product((feed, other), range(len(whole))):
                rest = await read(await process.open(ANSETTR, cuts[place]), len(whole) - place)
                assert sorted(keys(rest)) == sorted(keys(whole[place:])), (process is feed, place)
                assert in_order(rest)


async def test_R32_a_reader_that_catches_up_goes_over_to_the_window_while_more_comes(topic: Topic) -> None:
    """What comes while it reads the past fits into half a window, so that it is never too late."""
    many = 2_500
    story = [change(number, sequence) for sequence in range(1, many // 5 + 1) for number in range(5)]
    async with topic.feed(window_rows_max=1000) as feed:
        beginning = await feed.newest("ansettr")
        await topic.publish(story[:2000])

        async def go_on() -> None:
            for part in range(2000, many, 20):
                await topic.publish(story[part : part + 20])

        await eventually(lambda: seen(feed, topic, 2000))
        readers = [await feed.open(ANSETTR, beginning) for _ in range(3)]
        assert all(reader.catches_up for reader in readers)
        publishing = asyncio.create_task(go_on())
        for found in await asyncio.gather(*(read(reader, many) for reader in readers)):
            assert len(set(keys(found))) == many
            assert in_order(found)
        await publishing
        assert not any(reader.catches_up for reader in readers)


async def test_R32_without_an_id_a_stream_begins_now(topic: Topic) -> None:
    async with topic.feed() as feed:
        await topic.publish([change(1, 1)])
        await feed.newest("ansettr")
        await eventually(lambda: seen(feed, topic, 1))
        async with reading(await feed.open(ANSETTR, None)) as parts:
            [hello] = blocks(await anext(parts))
            await topic.publish([change(1, 2)])
            [event] = blocks(await anext(parts))
        assert event.key == (str(subject(1)), 2)
        [again] = await read(await feed.open(ANSETTR, hello.id), 1)

        assert again.key == event.key


async def seen(feed: Any, topic: Topic, rows: int) -> bool:
    """Whether the window has so many changes."""
    return bool((await feed._following(topic.name, 1)).window.end >= rows)


async def test_R32_a_controller_and_a_token_of_some_purposes_see_their_own_changes_alone(
    topic: Topic,
) -> None:
    """Two controllers share a prefix; what the token's claim leaves out is not told either."""
    theirs = [change(number, 1, controller="sonh") for number in range(8)]
    ours = [change(number, 1, purpose=purpose) for number, purpose in ((10, "nyhetsbrev"), (11, "analyse"))]
    async with topic.feed(window_rows_max=8) as feed:
        beginning = await feed.newest("ansettr")
        await topic.publish([*theirs[:4], *ours, *theirs[4:]])
        await eventually(lambda: seen(feed, topic, 10))
        some = Caller("ansettr", "mailer", frozenset({"analyse"}))
        for caller, expected in ((ANSETTR, ours), (some, ours[1:]), (Caller("sonh", "x"), theirs)):
            found = await read(await feed.open(caller, beginning), len(expected))
            assert {event.data["controller"] for event in found} == {caller.controller}
            assert set(keys(found)) == {(str(one.subject_id), one.sequence) for one in expected}
        last = change(12, 1, purpose="analyse")
        async with reading(await feed.open(some, None)) as parts:
            await anext(parts)
            await topic.publish([change(11, 9, controller="sonh"), change(13, 1), last])
            [event] = blocks(await anext(parts))
        assert event.data["record_id"] == str(last.record_id)


async def test_R32_a_quiet_controllers_id_does_not_grow_old(topic: Topic) -> None:
    """A sign of life comes in time, with an id behind all that concerns others."""
    async with topic.feed(heartbeat_s=0.2) as feed:
        async with reading(await feed.open(ANSETTR, None)) as parts:
            [hello] = blocks(await anext(parts))
            await topic.publish([change(number, 1, controller="sonh") for number in range(6)])
            await topic.beat()
            newest = await feed.newest("ansettr")
            signs: list[str] = []
            while newest not in signs:
                text = await asyncio.wait_for(anext(parts), 1)
                assert text.startswith(": heartbeat\n")
                signs += [event.id for event in blocks(text)]
        assert hello.id not in signs[1:]
        await topic.drop_before(1)
        with pytest.raises(NoLongerKept):
            async with topic.feed() as other:
                await other.open(ANSETTR, hello.id)
        async with topic.feed() as other:
            await (await other.open(ANSETTR, newest)).close()


async def test_R32_a_place_that_is_not_kept_is_told_and_one_that_is_goes_on(topic: Topic) -> None:
    async with topic.feed() as feed:
        beginning = await feed.newest("ansettr")
        await topic.publish([change(number, 1) for number in range(9)])
        whole = await read(await feed.open(ANSETTR, beginning), 9)
    await topic.drop_before(2)
    async with topic.feed() as feed:
        for lost in (beginning, whole[0].id):
            with pytest.raises(NoLongerKept):
                await feed.open(ANSETTR, lost)
        await (await feed.open(ANSETTR, whole[-1].id)).close()
        with pytest.raises(InvalidRequest):
            await feed.open(ANSETTR, whole[0].id[:-1])


async def test_R32_a_place_of_another_topic_or_of_one_made_anew_is_told(topic: Topic) -> None:
    async with topic.feed() as feed, Topic(topic.bootstrap, topic.prefix + "x", 3).open() as other:
        async with other.feed() as foreign:
            with pytest.raises(NoLongerKept):
                await feed.open(ANSETTR, await foreign.newest("ansettr"))
        await topic.publish([change(1, 1)])
        old = await feed.newest("ansettr")
        async with reading(await feed.open(ANSETTR, None)) as parts:
            await anext(parts)
            await topic.delete()
            await topic.make()
            await topic.publish([change(number, 1) for number in range(9)])
            with pytest.raises(NoLongerKept):
                async with topic.feed() as fresh:
                    await fresh.open(ANSETTR, old)
            new = await feed.newest("ansettr")
            async with asyncio.timeout(5):
                async for _ in parts:
                    pass
        with pytest.raises(NoLongerKept):
            await feed.open(ANSETTR, old)
        await topic.publish([change(1, 2)])
        [event] = await read(await feed.open(ANSETTR, new), 1)
        assert event.key == (str(subject(1)), 2)


async def test_R32_a_place_beyond_the_end_is_told(topic: Topic) -> None:
    async with topic.feed() as feed:
        mark = (await feed._following(topic.name, 1)).window.newest.mark
        beyond = Place(mark, [0, 5, 0]).token.decode()
        with pytest.raises(NoLongerKept):
            await feed.open(ANSETTR, beyond)


async def test_R32_nothing_is_told_behind_a_message_that_is_not_understood(topic: Topic) -> None:
    """It may be a withdrawal: those who follow are stopped before it, in the window and behind it."""
    async with topic.feed() as feed, topic.feed(window_rows_max=2) as other:
        beginning = await other.newest("ansettr")
        async with reading(await feed.open(ANSETTR, None)) as parts:
            await anext(parts)
            await topic.publish([change(1, 1)], partition=0)
            await topic.junk(0)
            await topic.publish([change(1, 2), change(1, 3)], partition=0)
            told = [text async for text in parts]
        assert [event.key for text in told for event in blocks(text)] == [(str(subject(1)), 1)]
        await eventually(lambda: seen(other, topic, 4))
        reader = await other.open(ANSETTR, beginning)
        assert reader.catches_up
        async with reading(reader) as parts:
            told = [text async for text in parts]
        assert [event.key for text in told for event in blocks(text) if event.data] == [(str(subject(1)), 1)]


async def test_R22_no_controller_takes_all_the_room(topic: Topic) -> None:
    """One has half of it, rounded up; all together have no more than all."""
    other, third = Caller("sonh", "mailer"), Caller("coness", "mailer")
    async with topic.feed(readers_max=4, catch_ups_max=2, window_rows_max=1) as feed:
        beginning = await feed.newest("ansettr")
        await topic.publish([change(number, 1) for number in range(6)])
        await eventually(lambda: seen(feed, topic, 6))
        readers = [await feed.open(ANSETTR, beginning)]
        with pytest.raises(Overloaded, match="catching up"):
            await feed.open(ANSETTR, beginning)
        readers.append(await feed.open(other, beginning))
        with pytest.raises(Overloaded, match="catching up"):
            await feed.open(third, beginning)
        readers.append(await feed.open(ANSETTR, None))
        with pytest.raises(Overloaded, match="follow"):
            await feed.open(ANSETTR, None)
        readers.append(await feed.open(other, None))
        with pytest.raises(Overloaded, match="follow"):
            await feed.open(third, None)
        for reader in readers:
            await reader.close()


async def test_R32_there_is_room_for_so_many_and_no_more(topic: Topic) -> None:
    metrics = Metrics()
    async with topic.feed(metrics, readers_max=5, catch_ups_max=2, window_rows_max=1) as feed:
        beginning = await feed.newest("ansettr")
        await topic.publish([change(number, 1) for number in range(6)])
        await eventually(lambda: seen(feed, topic, 6))
        first = await feed.open(ANSETTR, beginning)
        with pytest.raises(Overloaded, match="catching up"):
            await feed.open(ANSETTR, beginning)
        others = [await feed.open(ANSETTR, None) for _ in range(2)]
        with pytest.raises(Overloaded, match="follow"):
            await feed.open(ANSETTR, None)
        assert metrics.feed_readers._value.get() == 3
        await first.close()
        await (await feed.open(ANSETTR, beginning)).close()
        for reader in others:
            await reader.close()
        assert metrics.feed_readers._value.get() == 0


async def test_R32_a_reader_that_falls_behind_the_window_is_cut_off_and_others_go_on(topic: Topic) -> None:
    metrics = Metrics()
    async with topic.feed(metrics, window_rows_max=5) as feed:
        slow, quick = await feed.open(ANSETTR, None), await feed.open(ANSETTR, None)
        async with reading(slow) as parts:
            await anext(parts)
            reader = asyncio.create_task(read(quick, 20))
            for number in range(20):
                await topic.publish([change(number, 1)])
            assert len(await reader) == 20
            with pytest.raises(StopAsyncIteration):
                await anext(parts)
        assert metrics.feed_cut_off.labels("slow")._value.get() == 1


async def test_R32_without_kafka_nothing_begins(topic: Topic) -> None:
    nowhere = Topic("127.0.0.1:1", topic.prefix, 3)
    async with nowhere.feed() as feed:
        with pytest.raises(Unavailable, match="does not answer"):
            await feed.open(ANSETTR, None)
        with pytest.raises(Unavailable, match="does not answer"):
            await feed.newest("ansettr")
    async with Topic(topic.bootstrap, topic.prefix + "y", 3).feed() as feed:
        with pytest.raises(Unavailable, match="no topic"):
            await feed.open(ANSETTR, None)


async def test_R32_the_end_of_the_service_ends_every_stream_and_opens_none(topic: Topic) -> None:
    async with topic.feed() as feed:
        async with reading(await feed.open(ANSETTR, None)) as parts:
            await anext(parts)
            stopping = asyncio.create_task(feed.stop())
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(parts), 0.5)
            await stopping
        with pytest.raises(Unavailable):
            await feed.open(ANSETTR, None)
