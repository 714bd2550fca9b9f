"""The life of a provider and its keys, over real HTTP: they rotate, it goes away, strangers ask for what it never had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from consent_service.domain.errors import ConsentError, Unavailable
from consent_service.http import issuers
from consent_service.http import keys as keys_module
from consent_service.http.documents import WELL_KNOWN, KeysUnusable, from_discovery
from consent_service.http.issuers import Trust
from consent_service.http.keys import COOLDOWN_S, STALE_S, Keys, open_keys
from tests.http.issuers import AUDIENCE, Provider, Watch, tokens_of


class Scene:
    """A provider, the keys that were fetched from it, and who verifies with them; `watch` is the keys' clock."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.provider = Provider()
        self.watch = Watch()
        self._client = client

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """The provider runs, and gave its keys."""
        async with self.provider.running():
            self.keys = Keys(from_discovery(self._client, self.provider.url), self.watch)
            await self.keys.refresh()
            self.tokens = tokens_of(issuers.Issuer(Trust(self.provider.url, AUDIENCE), self.keys))
            yield

    async def answer(self, kid: str) -> str:
        """What the service says to a token that is signed with this key: `accepted`, or the refusal's slug."""
        return await self.answer_to(self.provider.issuer.bearer(kid))

    async def answer_to(self, bearer: bytes) -> str:
        try:
            await self.tokens.principal(bearer)
        except ConsentError as refusal:
            return refusal.slug
        return "accepted"


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with httpx.AsyncClient() as client:
        yield Scene(client)


async def test_keys_rotate_the_new_one_counts_at_once_and_the_old_one_no_more(scene: Scene) -> None:
    async with scene.begun():
        old = scene.provider.issuer.bearer("ed")
        assert await scene.answer_to(old) == "accepted"
        scene.provider.kids = ("ec",)
        scene.watch.seconds += COOLDOWN_S
        assert await scene.answer_to(old) == "accepted"
        assert await scene.answer("ec") == "accepted"
        assert await scene.answer_to(old) == "unauthenticated"
        assert await scene.answer("ed") == "unauthenticated"
        assert scene.provider.asked["/keys"] == 2


async def test_while_both_keys_are_published_both_count(scene: Scene) -> None:
    async with scene.begun():
        scene.provider.kids = ("ed", "rsa")
        scene.watch.seconds += COOLDOWN_S
        assert [await scene.answer(kid) for kid in ("rsa", "ed")] == ["accepted", "accepted"]


async def test_a_new_key_right_after_a_fetch_waits_for_the_next_that_is_allowed(scene: Scene) -> None:
    async with scene.begun():
        scene.provider.kids = ("ec",)
        scene.watch.seconds += COOLDOWN_S - 1
        assert await scene.answer("ec") == "unauthenticated"
        scene.watch.seconds += 1
        assert await scene.answer("ec") == "accepted"


async def test_whoever_floods_with_unknown_key_ids_causes_one_fetch_in_half_a_minute(scene: Scene) -> None:
    async with scene.begun():
        signed = scene.provider.issuer.sign
        flood = [f"Bearer {signed('ed', {'kid': f'key-{number}'})}".encode() for number in range(200)]
        for fetches in (1, 2, 3):
            assert scene.provider.asked == {WELL_KNOWN: fetches, "/keys": fetches}
            scene.watch.seconds += COOLDOWN_S
            answers = await asyncio.gather(*(scene.answer_to(bearer) for bearer in flood))
            assert set(answers) == {"unauthenticated"}
            assert await scene.answer("ed") == "accepted"


async def test_strangers_cause_no_fetch_at_all(scene: Scene) -> None:
    """Only a token that names the provider can."""
    async with scene.begun():
        scene.watch.seconds += COOLDOWN_S
        for issuer in (
            "https://elsewhere.example",
            scene.provider.url + "/",
            "",
            7,
            [scene.provider.url],
            None,
        ):
            bearer = scene.provider.issuer.bearer("ed", header={"kid": "unknown"}, iss=issuer)
            assert await scene.answer_to(bearer) == "unauthenticated"
        assert scene.provider.asked["/keys"] == 1


async def test_with_the_provider_away_its_keys_count_for_a_day_then_nobody_is_let_in(scene: Scene) -> None:
    async with scene.begun():
        remembered = scene.provider.issuer.bearer("ed")
        assert await scene.answer_to(remembered) == "accepted"
    scene.watch.seconds += STALE_S
    # Its keys are asked for, in vain.
    assert await scene.answer_to(scene.provider.issuer.bearer(header={"kid": "unknown"})) == "unauthenticated"
    assert await scene.answer_to(remembered) == "accepted"
    assert await scene.answer("ed") == "accepted"
    scene.watch.seconds += 1
    assert await scene.answer_to(remembered) == "unavailable"
    assert await scene.answer("ed") == "unavailable"
    async with scene.provider.running():
        await scene.keys.refresh()
        assert await scene.answer_to(remembered) == "accepted"


async def test_the_age_of_the_keys_counts_from_the_last_that_were_had(scene: Scene) -> None:
    async with scene.begun():
        assert scene.keys.age_s() == 0
    scene.watch.seconds += 7
    with pytest.raises(KeysUnusable, match="cannot be read: ConnectError"):
        await scene.keys.refresh()
    assert scene.keys.age_s() == 7


async def test_a_provider_that_is_away_at_the_start_is_waited_for_in_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys_module, "COOLDOWN_S", 0.02)
    provider, failures = Provider(), list[KeysUnusable]()
    async with provider.running():
        working = provider.answers.pop(WELL_KNOWN)
        async with open_keys(provider.url, None, failed=failures.append) as keys, asyncio.timeout(10):
            assert await provider.arrivals.get() == WELL_KNOWN
            with pytest.raises(Unavailable):
                keys.check_fresh()
            provider.answers[WELL_KNOWN] = working
            while await provider.arrivals.get() != "/keys":
                pass
            async with keys._one_at_a_time:
                keys.check_fresh()
    assert failures
    assert "answered 404" in str(failures[0])


async def test_whoever_comes_before_the_first_keys_are_there_waits_for_them() -> None:
    async with Provider().running() as provider, open_keys(provider.url, None) as keys:
        assert await keys.find("ed") is not None
        assert provider.asked == {WELL_KNOWN: 1, "/keys": 1}


async def test_a_fetch_that_failed_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only after the five minutes that keys which were had are good for."""
    monkeypatch.setattr(keys_module, "COOLDOWN_S", 0.02)
    monkeypatch.setattr(keys_module, "REFRESH_S", 0.04)
    async with Provider().running() as provider, open_keys(provider.url, None), asyncio.timeout(10):
        while await provider.arrivals.get() != "/keys":
            pass
        del provider.answers[WELL_KNOWN]
        assert await provider.arrivals.get() == WELL_KNOWN
        monkeypatch.setattr(keys_module, "REFRESH_S", 3600.0)
        for _ in range(2):
            assert await provider.arrivals.get() == WELL_KNOWN
