"""Tokens that were verified are remembered: how long, how many, and what makes the service forget them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from consent_service.domain.errors import ConsentError, Unavailable, UnknownController
from consent_service.http import auth, issuers
from consent_service.http.issuers import Trust
from consent_service.http.keys import STALE_S, Keys
from consent_service.usecases import clock
from tests.http.issuers import AUDIENCE, ISSUER, Issuer, Watch, tokens_of
from tests.http.tables import rows


async def test_a_remembered_token_is_forgotten_when_it_expires() -> None:
    issuer, moment = Issuer(), clock.now()
    tokens = tokens_of(await issuer.believed(), now=lambda: moment)
    header = issuer.bearer(exp=int(time.time()) - 20)
    first = await tokens.principal(header)
    moment = clock.now().replace(year=1999)
    assert await tokens.principal(header) is first
    moment = clock.now()
    assert await tokens.principal(header) is not first


async def test_remembered_tokens_are_forgotten_when_the_keys_change() -> None:
    issuer = Issuer()
    believed = await issuer.believed()
    tokens = tokens_of(believed)
    header = issuer.bearer()
    first = await tokens.principal(header)
    await believed.keys.refresh()
    assert await tokens.principal(header) is first
    issuer.private["ed"] = ed25519.Ed25519PrivateKey.generate()
    await believed.keys.refresh()
    with pytest.raises(ConsentError) as refusal:
        await tokens.principal(header)
    assert refusal.value.slug == "unauthenticated"


async def test_keys_that_change_while_a_controller_is_looked_up_forget_the_token_all_the_same() -> None:
    issuer = Issuer()
    believed = await issuer.believed()

    async def the_keys_change(controller: str) -> None:
        issuer.private["ed"] = ed25519.Ed25519PrivateKey.generate()
        await believed.keys.refresh()

    tokens = tokens_of(believed, check_controller=the_keys_change)
    header = issuer.bearer()
    await tokens.principal(header)
    with pytest.raises(ConsentError) as refusal:
        await tokens.principal(header)
    assert refusal.value.slug == "unauthenticated"


async def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "REMEMBERED_MAX", 3)
    issuer = Issuer()
    tokens = tokens_of(await issuer.believed())
    headers = [issuer.bearer(sub=f"system-{number}") for number in range(4)]
    first = [await tokens.principal(header) for header in headers]
    again = [await tokens.principal(header) for header in reversed(headers)]
    assert [one is two for one, two in zip(reversed(first), again, strict=True)] == [True, True, True, False]


async def test_without_keys_nobody_is_refused_and_nobody_let_in() -> None:
    async def away() -> bytes:
        raise OSError

    tokens = tokens_of(issuers.Issuer(Trust(ISSUER, AUDIENCE), Keys(away)))
    with pytest.raises(Unavailable):
        await tokens.principal(Issuer().bearer())


async def test_a_remembered_token_is_not_believed_longer_than_the_keys() -> None:
    issuer, watch = Issuer(), Watch()

    async def fetch() -> bytes:
        return issuer.key_set()

    keys = Keys(fetch, watch)
    await keys.refresh()
    tokens = tokens_of(issuers.Issuer(Trust(ISSUER, AUDIENCE), keys))
    header = issuer.bearer()
    await tokens.principal(header)
    watch.seconds += STALE_S + 1
    with pytest.raises(Unavailable):
        await tokens.principal(header)


async def test_a_token_of_an_unknown_controller_is_asked_about_each_time() -> None:
    issuer, asked = Issuer(), []

    async def everybody_is_unknown(controller: str) -> None:
        asked.append(controller)
        raise UnknownController("There is no such controller.")

    tokens = tokens_of(await issuer.believed(), check_controller=everybody_is_unknown)
    header = issuer.bearer()
    for _ in range(2):
        with pytest.raises(UnknownController):
            await tokens.principal(header)
    assert asked == ["ansettr", "ansettr"]


async def test_a_remembered_token_asks_for_nothing_again() -> None:
    """Neither its keys nor its controller: what most requests bring costs one look-up."""
    issuer, asked = Issuer(), []

    async def ask(controller: str) -> None:
        asked.append(controller)

    believed = await issuer.believed()
    tokens = tokens_of(believed, check_controller=ask)
    header = issuer.bearer()
    first = await tokens.principal(header)
    believed.keys._keys = {}
    assert [await tokens.principal(header) for _ in range(3)] == [first] * 3
    assert asked == ["ansettr"]


_OLD = "The token was issued too long ago; ask the issuer for a fresh one."
_NO_IAT = "The token must say by the claim `iat` when it was issued."

#: With an age of an hour at most: issued so many seconds ago | what is told
AGES = f"""
0        | accepted
3599     | accepted
3625     | accepted
3631     | {_OLD}
86400    | {_OLD}
-20      | accepted
-60      | The token is not valid yet.
none     | {_NO_IAT}
in quotes | {_NO_IAT}
beyond   | {_NO_IAT}
true     | {_OLD}
"""


def issued(ago: str) -> Any:
    now = int(time.time())
    unusual: dict[str, Any] = {"none": None, "in quotes": str(now), "beyond": -(10**400), "true": True}
    return unusual[ago] if ago in unusual else now - int(ago)


@pytest.mark.parametrize(("ago", "expected"), rows(AGES, 2))
async def test_a_token_counts_for_so_long_after_it_was_issued(ago: str, expected: str) -> None:
    """The leeway between clocks is half a minute here too."""
    issuer = Issuer()
    tokens = tokens_of(await issuer.believed(token_age_max_s=3600))
    header = issuer.bearer(iat=issued(ago))
    if expected == "accepted":
        await tokens.principal(header)
        return
    with pytest.raises(ConsentError) as refusal:
        await tokens.principal(header)
    assert (refusal.value.slug, refusal.value.detail) == ("unauthenticated", expected)


async def test_a_remembered_token_grows_too_old_as_well() -> None:
    issuer, moment = Issuer(), clock.now()
    begun = moment
    tokens = tokens_of(await issuer.believed(token_age_max_s=60), now=lambda: moment)
    header = issuer.bearer()

    async def after(seconds: float) -> Any:
        nonlocal moment
        moment = begun + timedelta(seconds=seconds)
        return await tokens.principal(header)

    first = await after(0)
    assert await after(55) is first
    assert await after(62) is not first
    with pytest.raises(ConsentError, match="too long ago"):
        await after(92)


async def test_a_token_ends_by_its_age_or_by_its_claim_whichever_is_first() -> None:
    """Streams end then too."""
    issuer, now = Issuer(), int(time.time())
    by_age = tokens_of(await issuer.believed(token_age_max_s=60))
    by_claim = tokens_of(await issuer.believed(token_age_max_s=6000))
    without = tokens_of(await issuer.believed())
    header = issuer.bearer(iat=now - 10, exp=now + 600)
    ends = [(await tokens.principal(header)).expires_at for tokens in (by_age, by_claim, without)]
    assert [end - now for end in ends] == [50, 600, 600]
