"""Following the changes as a consumer: from where, in which order, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from consent_service.embedded.ports import free_port
from consent_service.events.consume import ReceivedChange
from consent_service.events.follow import Position, StreamAway, follow
from consent_service.events.messages import NotUnderstood
from tests.events.streams import Stream, a_record, subject

ARRIVES_S = 20.0


async def take(changes: AsyncIterator[ReceivedChange], count: int) -> list[tuple[int, int]]:
    """The next changes, as (the subject's number, sequence)."""
    numbers = {subject(number): number for number in range(1, 10)}
    taken: list[tuple[int, int]] = []
    async with asyncio.timeout(ARRIVES_S):
        while len(taken) < count:
            change = (await anext(changes)).change
            taken.append((numbers[change.subject_id], change.sequence))
    return taken


async def test_from_the_end_only_what_is_published_afterwards_is_read(stream: Stream) -> None:
    async with stream.relay():
        await stream.append([a_record(1, 1), a_record(2, 1)])
        await stream.drained()
        async with follow(stream.bootstrap, stream.changes, group="end", position=Position.END) as changes:
            await stream.append([a_record(1, 2), a_record(1, 3)])

            assert await take(changes, 2) == [(1, 2), (1, 3)]


async def test_from_the_beginning_all_is_read_that_kafka_keeps(stream: Stream) -> None:
    async with stream.relay():
        await stream.append([a_record(1, 1), a_record(2, 1), a_record(1, 2)])
        await stream.drained()
        async with follow(
            stream.bootstrap, stream.changes, group="all", position=Position.BEGINNING
        ) as changes:
            taken = await take(changes, 3)

    assert sorted(taken) == [(1, 1), (1, 2), (2, 1)]
    assert [sequence for number, sequence in taken if number == 1] == [1, 2]


async def test_of_a_topic_that_is_made_only_afterwards_nothing_is_missed(stream: Stream) -> None:
    async with follow(stream.bootstrap, stream.changes, group="early", position=Position.END) as changes:
        async with stream.relay():
            await stream.append([a_record(1, 1), a_record(1, 2)])

            assert await take(changes, 2) == [(1, 1), (1, 2)]


async def test_two_groups_read_the_same_changes_each_for_itself(stream: Stream) -> None:
    async with stream.relay():
        await stream.append([a_record(1, 1)])
        await stream.drained()
        async with (
            follow(stream.bootstrap, stream.changes, group="one", position=Position.END) as one,
            follow(stream.bootstrap, stream.changes, group="other", position=Position.END) as other,
        ):
            await stream.append([a_record(1, 2)])

            assert await take(one, 1) == await take(other, 1) == [(1, 2)]


async def test_a_message_that_is_no_change_is_not_passed_over_in_silence(stream: Stream) -> None:
    async with stream.relay():
        await stream.append([a_record(1, 1)])
        await stream.drained()
    async with (
        follow(stream.bootstrap, stream.changes, group="strange", position=Position.END) as changes,
        AIOKafkaProducer(bootstrap_servers=stream.bootstrap) as producer,
    ):
        await producer.send_and_wait(stream.changes, b"not protobuf", key=b"nobody")

        with pytest.raises(NotUnderstood, match="content-type is missing"):
            await take(changes, 1)


async def test_without_a_broker_it_says_so() -> None:
    nowhere = f"127.0.0.1:{free_port()}"

    with pytest.raises(StreamAway, match="does not answer"):
        async with follow(nowhere, "consent.changes.v1", group="away", position=Position.END):
            pytest.fail("nothing to follow")
