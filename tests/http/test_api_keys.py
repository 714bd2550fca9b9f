"""API keys as bearers: who is let in and as whom, and what everybody else is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from consent_service.domain.api_keys import ApiKeyName, write_api_key
from consent_service.http.auth import Principal, Tokens
from consent_service.usecases import clock
from consent_service.usecases.submissions import Caller
from tests.http.api_keys import MOST, make, take_back
from tests.http.conftest import Api
from tests.http.issuers import nobody_is_unknown
from tests.http.tables import told

PURPOSES = "/v1/purposes"
REFUSED = 'Bearer realm="consent-service", error="invalid_token"'
UNKNOWN = "The API key is not known here."
NOT_WHOLE = "This is no whole API key: a part is missing, or a character is wrong."


async def test_a_machine_acts_with_its_key(api: Api) -> None:
    key, text = await make(api.database)
    person = await api.person()
    granted = await api(
        "POST", f"/v1/subjects/{person}/consents/newsletter/grant", {"version": 1}, token=text
    )

    assert granted.status_code == 201
    assert granted.json()["record"]["actor"] == f"key:{key.key_id}"


async def test_a_key_is_one_controllers(api: Api) -> None:
    _, theirs = await make(api.database, controller="sonh")
    person = await api.person()

    assert told(await api("GET", f"/v1/subjects/{person}", token=theirs)) == "404 not-found"
    assert told(await api("GET", PURPOSES, token=theirs)) == "200"


async def test_a_key_allows_its_scopes_and_no_others(api: Api) -> None:
    _, text = await make(api.database, scopes=("catalogue:read",))
    person = await api.person()

    assert told(await api("GET", PURPOSES, token=text)) == "200"
    refused = await api("GET", f"/v1/subjects/{person}", token=text)
    assert told(refused) == "403 insufficient-scope"
    assert 'scope="consents:read"' in refused.headers["www-authenticate"]


async def test_R35_a_key_for_some_purposes_reaches_their_persons_alone(api: Api) -> None:
    _, text = await make(api.database, purposes=("newsletter",))
    person, stranger = await api.person(), await api.person()
    await api.says(person, "newsletter", "grant")
    await api.says(stranger, "analytics", "object")
    answers = [await api("GET", f"/v1/subjects/{one}/identifiers", token=text) for one in (person, stranger)]

    assert [answer.status_code for answer in answers] == [200, 404]


async def test_R34_a_recipients_key_speaks_for_it_and_for_no_other(api: Api) -> None:
    scopes = (*MOST, "acknowledgements:write")
    _, text = await make(api.database, scopes=scopes, recipient="matomo")
    granted = await api.says(await api.person(), "newsletter", "grant")
    word = {
        "record_id": granted.json()["record"]["record_id"],
        "outcome": "started",
        "at": "2026-01-01T00:00:00Z",
    }
    for recipient, expected in (("matomo", "200"), ("brevo", "403 insufficient-scope")):
        body = {"recipient": recipient, "records": [word]}
        assert told(await api("POST", "/v1/acknowledgements", body, token=text)) == expected


async def detail(api: Api, text: str) -> str:
    """What is told where the key is refused, with the challenge that every 401 has."""
    answer = await api("GET", PURPOSES, token=text)
    assert told(answer) == "401 unauthenticated"
    assert answer.headers["www-authenticate"] == REFUSED
    why: str = answer.json()["detail"]
    return why


async def test_a_wrong_secret_and_no_such_key_are_told_alike(api: Api) -> None:
    key, _ = await make(api.database)
    guessed = [
        write_api_key(ApiKeyName("ansettr", key.key_id), "a" * 43),
        write_api_key(ApiKeyName("ansettr", "abcdefghijk0"), "a" * 43),
        write_api_key(ApiKeyName("sonh", key.key_id), "a" * 43),
        write_api_key(ApiKeyName("nobody", key.key_id), "a" * 43),
    ]

    assert [await detail(api, text) for text in guessed] == [UNKNOWN] * 4


async def test_a_key_is_not_known_under_another_controllers_name(api: Api) -> None:
    key, text = await make(api.database)
    secret = text.removeprefix(key_name(text).prefix + "_")[:43]

    assert await detail(api, write_api_key(ApiKeyName("sonh", key.key_id), secret)) == UNKNOWN


def key_name(text: str) -> ApiKeyName:
    _, controller, key_id, _ = text.split("_")
    return ApiKeyName(controller, key_id)


async def test_only_its_holder_is_told_that_a_key_is_revoked_or_expired(api: Api) -> None:
    revoked, revoked_text = await make(api.database)
    await take_back(api.database, revoked)
    expired, expired_text = await make(
        api.database, lifetime="PT1H", now=clock.now() - timedelta(hours=1, seconds=1)
    )

    assert await detail(api, revoked_text) == "The API key was revoked."
    assert await detail(api, expired_text) == "The API key has expired."
    for key in (revoked, expired):
        guessed = write_api_key(ApiKeyName("ansettr", key.key_id), "a" * 43)
        assert await detail(api, guessed) == UNKNOWN


@pytest.mark.parametrize("change", ["cut", "mistyped", "longer", "prefix", "endless"])
async def test_a_key_that_is_not_whole_is_told_so(api: Api, change: str) -> None:
    _, text = await make(api.database)
    broken = {
        "cut": text[:-1],
        "mistyped": text[:40] + ("a" if text[40] != "a" else "b") + text[41:],
        "longer": text + "0",
        "prefix": "consent_",
        "endless": text + "0" * 5_000,
    }[change]

    assert await detail(api, broken) == NOT_WHOLE


async def test_a_key_needs_no_issuer(api: Api) -> None:
    """Also where nobody's tokens are believed."""
    presented: list[bytes] = []

    class Everybody:
        async def principal(self, text: bytes) -> Principal:
            presented.append(text)
            return Principal(Caller("ansettr", "anybody"), frozenset(), 0)

        def is_familiar(self, text: bytes) -> bool:
            return False

    tokens = Tokens((), check_controller=nobody_is_unknown, now=clock.now, api_keys=Everybody())
    for header in (b"Bearer consent_a_b", b"bearer  consent_", b"BEARER consent_a "):
        await tokens.principal(header)

    assert presented == [b"consent_a_b", b"consent_", b"consent_a"]
