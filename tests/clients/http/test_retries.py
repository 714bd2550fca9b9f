"""Trying again: when, for how long, with which key, and that nothing is recorded twice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest
from consent_client import ConsentClient
from consent_client.errors import Refused, Unavailable
from consent_client.http.backoff import pause_s, retry_after_s

from consent_service.embedded.ports import HOST, free_port
from tests.clients.conftest import Place
from tests.clients.http.gateway import Gateway
from tests.clients.persons import somebody
from tests.events.streams import eventually
from tests.faults.proxy import Proxy, Way

PIXEL = "facebook-piksel"


@pytest.fixture
async def gateway(place: Place) -> AsyncIterator[Gateway]:
    async with Gateway(place.port) as gateway:
        yield gateway


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_who_is_busy_is_asked_again(place: Place, gateway: Gateway, status: int) -> None:
    gateway.answers = [f"{status} Busy"] * 2
    async with ConsentClient(gateway.url, place.token()) as client:
        assert (await client.subject(somebody())).created

    assert len(gateway.seen) == 3
    assert len({(one.headers["idempotency-key"], one.body) for one in gateway.seen}) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 500])
async def test_a_no_is_not_asked_again(place: Place, gateway: Gateway, status: int) -> None:
    gateway.answers = [f"{status} No"] * 2
    async with ConsentClient(gateway.url, place.token()) as client:
        with pytest.raises(Refused) as refused:
            await client.subject(somebody())

    assert (refused.value.status, len(gateway.seen)) == (status, 1)


async def test_every_changing_call_has_a_key_of_its_own_and_reading_has_none(
    place: Place, gateway: Gateway
) -> None:
    who, trace = somebody(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with ConsentClient(gateway.url, place.token()) as client:
        subject_id = (await client.subject(who, traceparent=trace)).subject_id
        await client.link(subject_id, somebody())
        await client.grant(subject_id, PIXEL, 1, traceparent=trace)
        await client.withdraw(subject_id, PIXEL)
        await client.permission(subject_id, PIXEL)
        await client.find(who)

    keys = [one.headers.get("idempotency-key") for one in gateway.seen]
    assert None not in keys[:4]
    assert len(set(keys[:4])) == 4
    assert keys[4:] == [None, None]
    assert [one.headers.get("traceparent") for one in gateway.seen] == [trace, None, trace, None, None, None]


async def test_a_lost_answer_is_asked_for_again_and_recorded_once(place: Place, gateway: Gateway) -> None:
    async with ConsentClient(gateway.url, place.token()) as client:
        subject_id = (await client.subject(somebody())).subject_id
        gateway.lose = 2
        given = await client.grant(subject_id, PIXEL, 1)
        [identifier] = await client.identifiers(subject_id)
        gateway.lose = 1
        await client.unlink(subject_id, identifier.identifier_id)
        assert await client.identifiers(subject_id) == ()

    assert len([one for one in gateway.seen if one.target.endswith("/grant")]) == 3
    assert (given.record.sequence, await place.records(subject_id)) == (1, 1)


async def test_an_answer_that_is_cut_in_the_middle_is_asked_for_again_and_recorded_once(place: Place) -> None:
    async with (
        Proxy(place.port) as proxy,
        ConsentClient(f"http://{HOST}:{proxy.port}", place.token()) as client,
    ):
        subject_id = (await client.subject(somebody())).subject_id
        proxy.dribble(0.05, 60.0, [Way.ANSWERING])
        giving = asyncio.create_task(client.grant(subject_id, PIXEL, 1))

        async def recorded() -> bool:
            return await place.records(subject_id) == 1

        await eventually(recorded)
        assert not giving.done()
        proxy.reset()
        await proxy.heal()
        given = await giving
        assert await place.records(subject_id) == 1
        assert [record async for record in client.records(subject_id)] == [given.record]


async def test_a_try_that_hangs_is_given_up_for_the_next(place: Place) -> None:
    async with (
        Proxy(place.port) as proxy,
        ConsentClient(f"http://{HOST}:{proxy.port}", place.token(), timeout_s=0.3) as client,
    ):
        subject_id = (await client.subject(somebody())).subject_id
        proxy.swallow([Way.ANSWERING])
        giving = asyncio.create_task(client.grant(subject_id, PIXEL, 1))

        async def recorded() -> bool:
            return await place.records(subject_id) == 1

        await eventually(recorded)
        await proxy.heal()
        assert (await giving).record.sequence == 1
        assert await place.records(subject_id) == 1


async def test_after_the_last_try_it_is_unavailable_and_no_person_is_named(place: Place) -> None:
    who = somebody()
    async with ConsentClient(f"http://{HOST}:{free_port()}", place.token(), tries=3) as client:
        with pytest.raises(Unavailable, match=r"POST /v1/subjects: no answer after 3 tries .*ConnectError"):
            await client.subject(who)
        with pytest.raises(Unavailable) as away:
            await client.consents(UUID(int=7))

    assert str(away.value).startswith("GET /v1/subjects/{}: ")


async def test_the_call_has_one_deadline_over_all_its_tries(place: Place, gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()
    async with Proxy(place.port) as proxy:
        proxy.swallow()
        url = f"http://{HOST}:{proxy.port}"
        async with ConsentClient(url, place.token(), timeout_s=0.3, deadline_s=0.5, tries=99) as client:
            begun = loop.time()
            with pytest.raises(Unavailable, match="Timeout"):
                await client.purposes()
            assert loop.time() - begun < 2

    gateway.answers = ["503 Busy\nRetry-After: 3600"]
    async with ConsentClient(gateway.url, place.token(), deadline_s=5) as client:
        begun = loop.time()
        with pytest.raises(Unavailable, match="503"):
            await client.purposes()
        assert loop.time() - begun < 1


async def test_an_answer_that_trickles_does_not_hold_up_the_caller(place: Place) -> None:
    loop = asyncio.get_running_loop()
    async with Proxy(place.port) as proxy:
        proxy.dribble(0.05, 600.0, [Way.ANSWERING])
        url = f"http://{HOST}:{proxy.port}"
        async with ConsentClient(url, place.token(), timeout_s=0.3, deadline_s=0.6) as client:
            begun = loop.time()
            with pytest.raises(Unavailable, match="TimeoutError"):
                await client.purposes()
            assert loop.time() - begun < 2


async def test_the_service_is_not_asked_earlier_than_it_wants(place: Place, gateway: Gateway) -> None:
    gateway.answers = ["503 Busy\nRetry-After: 1"]
    async with ConsentClient(gateway.url, place.token()) as client:
        await client.purposes()

    first, second = gateway.seen
    assert 1.0 <= second.at - first.at < 2.0


def test_pauses_spread_between_nothing_and_twice_as_much_each_time() -> None:
    for attempt, widest in zip(itertools.count(1), [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0], strict=False):
        pauses = [pause_s(attempt) for _ in range(400)]
        assert 0 <= min(pauses) < widest / 4
        assert widest * 3 / 4 < max(pauses) <= widest
    assert 7.0 <= pause_s(1, 7.0) <= 7.1


def test_a_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)

    assert retry_after_s({"retry-after": "5"}) == 5.0
    assert 7 < (retry_after_s({"retry-after": soon}) or 0) <= 10
    assert retry_after_s({"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT"}) == 0.0
    assert retry_after_s({"retry-after": "soon"}) is None
    assert retry_after_s({}) is None
