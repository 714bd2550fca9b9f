"""The stream over HTTP, followed over every cut (R32)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest
from consent_client import ConsentClient
from consent_client.errors import Closed, NoLongerKept, Refused, Unavailable
from consent_client.http.event_lines import Event, EventLines
from consent_client.model import Change, SignOfLife
from consent_client.words import Status

from consent_service.embedded.ports import HOST, free_port
from consent_service.events.feed.places import Place as StreamPlace
from tests.clients.conftest import HEARTBEAT_S, Place
from tests.clients.http.gateway import Gateway
from tests.clients.persons import somebody
from tests.faults.proxy import Proxy, Way

PIXEL = "facebook-piksel"
PATIENCE_S = 50.0


@pytest.fixture
async def person(client: ConsentClient) -> UUID:
    return (await client.subject(somebody())).subject_id


async def says(client: ConsentClient, count: int, subject_id: UUID) -> list[UUID]:
    """So many records of one person, in order."""
    records = []
    for number in range(count):
        told = (
            await client.withdraw(subject_id, PIXEL)
            if number % 2
            else await client.grant(subject_id, PIXEL, 1)
        )
        records.append(told.record.record_id)
    return records


async def changes_of(
    stream: AsyncIterator[tuple[str, Change | SignOfLife]], count: int, subject_id: UUID
) -> list[tuple[str, Change]]:
    """The person's next so many changes, with their ids; those of other tests may come in between."""
    found: list[tuple[str, Change]] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            event_id, change = await anext(stream)
            if isinstance(change, Change) and change.subject_id == subject_id:
                found.append((event_id, change))
    return found


async def test_R32_changes_come_as_they_are_recorded_and_go_on_behind_an_id(
    client: ConsentClient, person: UUID
) -> None:
    stream = client.changes()
    async with aclosing(stream):
        first_id, nothing = await anext(stream)
        assert isinstance(nothing, SignOfLife)
        records = await says(client, 3, person)
        found = await changes_of(stream, 3, person)
    assert [change.record_id for _, change in found] == records
    assert [(change.status, change.allowed) for _, change in found] == [
        (Status.GIVEN, True),
        (Status.WITHDRAWN, False),
        (Status.GIVEN, True),
    ]
    for behind, missing in ((first_id, 3), (found[0][0], 2), (found[1][0], 1)):
        stream = client.changes(behind)
        async with aclosing(stream):
            again = await changes_of(stream, missing, person)
        assert [change for _, change in again] == [change for _, change in found[3 - missing :]]


async def test_R32_nothing_is_lost_or_told_twice_where_the_connection_breaks_at_every_change(
    place: Place, client: ConsentClient, person: UUID
) -> None:
    async with (
        Proxy(place.port) as proxy,
        ConsentClient(f"http://{HOST}:{proxy.port}", place.token()) as follower,
    ):
        stream = follower.changes()
        async with aclosing(stream):
            await anext(stream)
            told: list[UUID] = []
            found: list[UUID] = []
            for cut in (proxy.reset, proxy.cut):
                told += await says(client, 2, person)
                found += [change.record_id for _, change in await changes_of(stream, 1, person)]
                cut()
                await proxy.heal()
            found += [change.record_id for _, change in await changes_of(stream, 2, person)]

    assert found == told


async def test_R32_a_connection_that_falls_silent_is_made_anew(
    place: Place, client: ConsentClient, person: UUID
) -> None:
    async with (
        Proxy(place.port) as proxy,
        ConsentClient(f"http://{HOST}:{proxy.port}", place.token()) as follower,
    ):
        stream = follower.changes(quiet_s=3 * HEARTBEAT_S)
        async with aclosing(stream):
            await anext(stream)
            proxy.swallow([Way.ANSWERING])
            records = await says(client, 1, person)
            going_on = asyncio.create_task(changes_of(stream, 1, person))
            # A new connection is the only way on: the first stays dead, and healing resets it only where it ended.
            async with asyncio.timeout(PATIENCE_S):
                while proxy.connections < 2:
                    await asyncio.wait({going_on}, timeout=0.01)
            await proxy.heal()
            assert [change.record_id for _, change in await going_on] == records


async def test_R32_a_snapshot_names_where_the_stream_goes_on(client: ConsentClient, person: UUID) -> None:
    another, third = [(await client.subject(somebody())).subject_id for _ in range(2)]
    await says(client, 1, third)
    before = await says(client, 2, person)
    after: list[UUID] = []
    stands: dict[UUID, Any] = {}
    pages = 0
    async for page in client.states(limit=1):
        pages += 1
        stands |= {state.record_id: state for state in page.items if state.record_id}
        after = after or await says(client, 1, another)

    assert pages > 1
    assert before[1] in stands
    state = stands[before[1]]
    assert (state.controller, state.purpose, state.status, state.allowed) == (
        "ansettr",
        PIXEL,
        Status.WITHDRAWN,
        False,
    )
    assert (state.sequence, state.standing_version) == (2, 1)
    stream = client.changes(page.resume)
    async with aclosing(stream):
        [(_, change)] = await changes_of(stream, 1, another)
    assert change.record_id == after[0]


async def test_R32_a_place_that_is_no_longer_kept_is_said(client: ConsentClient) -> None:
    of_another_life = StreamPlace(b"\x01" * 8, [0] * 12).token.decode()

    with pytest.raises(NoLongerKept, match="states"):
        await anext(client.changes(of_another_life))
    with pytest.raises(Refused, match="400 invalid-request"):
        await anext(client.changes("nonsense"))


async def test_who_is_busy_or_ends_the_stream_is_asked_again_when_it_wants(
    place: Place, client: ConsentClient, person: UUID
) -> None:
    ends = "200 OK\nContent-Type: text/event-stream"
    async with Gateway(place.port) as gateway, ConsentClient(gateway.url, place.token()) as follower:
        gateway.answers = ["503 Busy\nRetry-After: 1", "500 Broken", ends, "429 Slowly"]
        stream = follower.changes()
        async with aclosing(stream):
            await anext(stream)
            records = await says(client, 1, person)
            assert [change.record_id for _, change in await changes_of(stream, 1, person)] == records

    assert len(gateway.seen) == 5
    assert gateway.seen[1].at - gateway.seen[0].at >= 1.0


async def test_where_nobody_answers_it_waits_for_ever_or_as_long_as_it_is_told(place: Place) -> None:
    async with ConsentClient(f"http://{HOST}:{free_port()}", place.token()) as client:
        with pytest.raises(Unavailable, match=r"nothing heard for 0\.3 s .*ConnectError"):
            await anext(client.changes(patience_s=0.3))
        waiting = asyncio.ensure_future(anext(client.changes()))
        await asyncio.wait({waiting}, timeout=0.5)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})


async def test_who_follows_while_the_client_is_closed_is_told_so(place: Place) -> None:
    client = ConsentClient(place.url, place.token())
    stream = client.changes()
    await anext(stream)

    async def follow() -> None:
        async for _ in stream:
            pass

    following = asyncio.create_task(follow())
    await asyncio.wait({following}, timeout=HEARTBEAT_S / 2)
    await client.close()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(Closed):
            await following


def test_an_event_counts_once_its_block_is_complete_however_its_bytes_come() -> None:
    told = (
        b'retry: 1500\n: heartbeat\nid: one\n\nid: two\nevent: change\ndata: {"a":\ndata: "\xe2\x80\xa8"}\n\n'
        b"\r\n:\n\nevent: later\r\ndata:x\r\n\r\nid: unfinished\ndata: y\n"
    )
    events = [
        Event(id="one", retry_s=1.5, comments=("heartbeat",)),
        Event(id="two", name="change", data='{"a":\n"\u2028"}'),
        Event(comments=("",)),
        Event(name="later", data="x"),
    ]

    for size in range(1, len(told) + 1):
        lines = EventLines()
        pieces = [told[start : start + size] for start in range(0, len(told), size)]
        assert [event for piece in pieces for event in lines.take(piece)] == events
