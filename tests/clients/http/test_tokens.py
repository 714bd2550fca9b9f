"""Whose token is used, when another is asked for, and that neither it nor a person is ever told."""

from __future__ import annotations

import asyncio
import logging
import threading
from functools import partial

import pytest
from consent_client import ConsentClient
from consent_client.errors import Refused
from consent_client.http.tokens import Tokens, claims

from tests.clients.conftest import Place
from tests.clients.http.gateway import Gateway
from tests.clients.persons import somebody


class Issuer:
    """Gives tokens one after the other, the last for ever."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)
        self.asked = 0
        self.threads: set[int] = set()

    def __call__(self) -> str:
        self.asked += 1
        self.threads.add(threading.get_ident())
        return self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]


async def test_a_refused_token_is_asked_for_once_more(place: Place) -> None:
    issuer = Issuer("a.b.c", place.token())
    async with Gateway(place.port) as gateway, ConsentClient(gateway.url, issuer) as client:
        assert (await client.subject(somebody())).created
        await client.purposes()

    assert issuer.asked == 2
    assert len(gateway.seen) == 3
    first, second, _ = gateway.seen
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_a_token_that_stays_refused_is_a_no(place: Place) -> None:
    issuer = Issuer("a.b.c")
    async with ConsentClient(place.url, issuer) as client:
        with pytest.raises(Refused, match="401 unauthenticated"):
            await client.purposes()
    assert issuer.asked == 2
    async with ConsentClient(place.url, "a.b.c") as client:
        with pytest.raises(Refused, match="401 unauthenticated"):
            await client.purposes()


async def test_a_token_is_kept_until_shortly_before_its_end(place: Place) -> None:
    lasting, ending = place.token(ttl="PT1H"), place.token(ttl="PT20S")
    issuer = Issuer(ending, lasting)
    async with ConsentClient(place.url, issuer) as client:
        await client.purposes()
        assert issuer.asked == 1
        await client.purposes()
        await client.purposes()
        assert issuer.asked == 2


async def test_many_calls_at_once_ask_for_one_token(place: Place) -> None:
    issuer = Issuer("a.b.c", place.token())
    async with ConsentClient(place.url, issuer) as client:
        await asyncio.gather(*(client.purposes() for _ in range(8)))

    assert issuer.asked == 2


async def test_a_function_that_waits_holds_up_nobody_and_an_asynchronous_one_is_awaited(place: Place) -> None:
    issuer = Issuer(place.token())
    await Tokens(issuer).token()
    assert threading.get_ident() not in issuer.threads

    async def give() -> str:
        return place.token()

    for source in (give, partial(give)):
        async with ConsentClient(place.url, source) as client:
            assert await client.purposes()


def test_what_is_no_token_has_no_claims() -> None:
    assert [claims(text) for text in ("", "opaque", "a.b.c", "a.!!.c", "a.bnVsbA.c")] == [{}] * 5


def test_an_api_key_names_its_controller_and_no_end() -> None:
    assert claims("consent_ansettr_abcdefghijk0_secret") == {"controller": "ansettr"}


async def test_a_scope_that_is_missing_is_named(place: Place) -> None:
    async with ConsentClient(place.url, place.token(scopes=["catalogue:read"])) as client:
        with pytest.raises(Refused, match=r"403 insufficient-scope: .*subjects:read"):
            await client.find(somebody())


async def test_no_token_and_no_person_is_logged(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    who, token = somebody(), place.token()
    async with ConsentClient(place.url, token) as client:
        await client.subject(who)
        await client.resolve("email", who["email"])

    assert caplog.records
    assert token not in caplog.text
    assert who["email"] not in caplog.text
