"""Several issuers: each for its own controllers, with its own keys, forgotten and away by itself (API face 1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from prometheus_client import generate_latest

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry
from consent_service.domain.errors import ConsentError, Unavailable
from consent_service.embedded import PostgresServer
from consent_service.http import issuers
from consent_service.http.application import build_app
from consent_service.http.documents import KeysUnusable
from consent_service.http.issuers import Trust, open_issuers
from consent_service.http.keys import STALE_S, Keys
from consent_service.metrics import Metrics
from tests.http.conftest import running_services
from tests.http.issuers import AUDIENCE, Issuer, Provider, Watch, tokens_of
from tests.http.tables import rows, told

#: Trusted with | `ansettr` and `unloaded`, `sonh` alone, every controller.
FIRST, SECOND, THIRD = (Issuer(f"https://{name}.example") for name in ("first", "second", "third"))
BY_NAME = {"first": FIRST, "second": SECOND, "third": THIRD}


@pytest.fixture(scope="module")
async def client(postgres: PostgresServer) -> AsyncIterator[httpx.AsyncClient]:
    """The application; `ansettr` and `sonh` have catalogues."""
    async with running_services(postgres) as (services, _, _):
        for controller in ("ansettr", "sonh"):
            entry = ControllerEntry(slug=controller, legal_name=f"{controller} AS")
            await services.catalogue.load(CatalogueEntries(controller=entry), "test")
        believed = (
            await FIRST.believed(controllers=frozenset({"ansettr", "unloaded"})),
            await SECOND.believed(controllers=frozenset({"sonh"})),
            await THIRD.believed(),
        )
        app = build_app(replace(services, issuers=believed), public_url="http://consent.example")
        transport = httpx.ASGITransport(app=cast(Any, app))
        async with httpx.AsyncClient(transport=transport, base_url="http://consent.example") as running:
            yield running


#: The token's issuer | whose key signs it | its controller | the answer
BINDING = """
first  | first  | ansettr  | 200
first  | first  | sonh     | 403 unknown-controller
first  | first  | unloaded | 403 unknown-controller
first  | first  | nowhere  | 403 unknown-controller
second | second | sonh     | 200
second | second | ansettr  | 403 unknown-controller
second | second | unloaded | 403 unknown-controller
third  | third  | ansettr  | 200
third  | third  | sonh     | 200
third  | third  | nowhere  | 403 unknown-controller
first  | second | ansettr  | 401 unauthenticated
first  | second | sonh     | 401 unauthenticated
first  | third  | ansettr  | 401 unauthenticated
second | first  | sonh     | 401 unauthenticated
third  | first  | ansettr  | 401 unauthenticated
"""


@pytest.mark.parametrize(("issuer", "signer", "controller", "expected"), rows(BINDING, 4))
async def test_an_issuer_speaks_for_its_controllers_alone_and_with_its_own_keys(
    client: httpx.AsyncClient, issuer: str, signer: str, controller: str, expected: str
) -> None:
    """Each has the same key ids: `ed`, `ec`, `rsa`."""
    for kid in ("ed", "ec", "rsa"):
        token = BY_NAME[signer].sign(kid, iss=BY_NAME[issuer].name, controller=controller)
        answer = await client.get("/v1/purposes", headers={"authorization": f"Bearer {token}"})
        assert told(answer) == expected


async def test_what_is_refused_tells_nothing_about_other_controllers(client: httpx.AsyncClient) -> None:
    """One that is another issuer's, one that is nobody's, and one without a catalogue read the same."""
    answers = []
    for controller in ("sonh", "nowhere", "unloaded"):
        bearer = FIRST.bearer(controller=controller)
        answers.append(await client.get("/v1/purposes", headers=[(b"authorization", bearer)]))
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.content for answer in answers}) == 1
    assert len({frozenset(answer.headers.items() - {request_id(answer)}) for answer in answers}) == 1
    assert (
        answers[0].headers["www-authenticate"] == 'Bearer realm="consent-service", error="insufficient_scope"'
    )


def request_id(answer: httpx.Response) -> tuple[str, str]:
    """The one header that differs from answer to answer."""
    return "x-request-id", answer.headers["x-request-id"]


async def test_strangers_are_not_told_who_is_believed(client: httpx.AsyncClient) -> None:
    """An issuer that is none of ours and a key that is none of an issuer's are refused in the same words."""
    stranger = Issuer("https://stranger.example")
    tokens = (
        stranger.sign(),
        FIRST.sign(header={"kid": "unknown"}),
        stranger.sign(iss=FIRST.name, header={"kid": "unknown"}),
    )
    answers = [
        await client.get("/v1/purposes", headers={"authorization": f"Bearer {token}"}) for token in tokens
    ]
    assert {told(answer) for answer in answers} == {"401 unauthenticated"}
    assert len({answer.content for answer in answers}) == 1


async def test_an_audience_is_an_issuers_own() -> None:
    first, second = Issuer("https://a.example"), Issuer("https://b.example")
    believed = await first.believed()
    own = replace(believed, trust=replace(believed.trust, audience="api://consent"))
    tokens = tokens_of(own, await second.believed())
    assert await tokens.principal(first.bearer(aud="api://consent"))
    assert await tokens.principal(second.bearer())
    for bearer in (first.bearer(), second.bearer(aud="api://consent")):
        with pytest.raises(ConsentError, match="another audience"):
            await tokens.principal(bearer)


async def test_when_an_issuers_keys_change_only_its_tokens_are_verified_again() -> None:
    first, second = Issuer("https://a.example"), Issuer("https://b.example")
    believed = [await first.believed(), await second.believed()]
    tokens = tokens_of(*believed)
    bearers = [first.bearer(), second.bearer()]
    before = [await tokens.principal(bearer) for bearer in bearers]
    first.private["rsa"] = ed25519.Ed25519PrivateKey.generate()
    first.algorithms["rsa"] = "EdDSA"
    await believed[0].keys.refresh()
    after = [await tokens.principal(bearer) for bearer in bearers]
    assert [one is two for one, two in zip(before, after, strict=True)] == [False, True]
    first.private["ed"] = ed25519.Ed25519PrivateKey.generate()
    await believed[0].keys.refresh()
    with pytest.raises(ConsentError) as refusal:
        await tokens.principal(bearers[0])
    assert refusal.value.slug == "unauthenticated"
    assert await tokens.principal(bearers[1]) is before[1]


async def test_an_issuer_that_is_away_keeps_only_its_own_callers_waiting() -> None:
    first, second, watch = Issuer("https://a.example"), Issuer("https://b.example"), Watch()

    async def fetch() -> bytes:
        return first.key_set()

    keys = Keys(fetch, watch)
    await keys.refresh()
    tokens = tokens_of(issuers.Issuer(Trust(first.name, AUDIENCE), keys), await second.believed())
    await tokens.principal(first.bearer())
    watch.seconds += STALE_S + 1
    with pytest.raises(Unavailable):
        await tokens.principal(first.bearer())
    assert await tokens.principal(second.bearer())
    with pytest.raises(ConsentError) as refusal:
        await tokens.principal(b"Bearer garbage")
    assert refusal.value.slug == "unauthenticated"


async def test_figures_tell_how_old_keys_are_and_what_failed(tmp_path: Path) -> None:
    metrics, path = Metrics(), tmp_path / "keys.json"
    path.write_bytes(Issuer().key_set())
    async with Provider().running() as provider:
        provider.answers["/keys"] = b"HTTP/1.1 500 Told\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        trusts = (Trust("https://file.example", AUDIENCE, jwks=str(path)), Trust(provider.url, AUDIENCE))
        async with open_issuers(trusts, metrics) as (_, away):
            with pytest.raises(Unavailable):
                await away.keys.find("ed")
            told = generate_latest(metrics.registry).decode()
    shown = ("consent_token_keys_age_seconds{", "consent_token_keys_failures_total{")
    figures = dict(line.rsplit(" ", 1) for line in told.splitlines() if line.startswith(shown))
    assert 0 <= float(figures.pop('consent_token_keys_age_seconds{issuer="https://file.example"}')) < 60
    assert figures == {
        f'consent_token_keys_age_seconds{{issuer="{provider.url}"}}': "+Inf",
        f'consent_token_keys_failures_total{{issuer="{provider.url}"}}': "1.0",
        'consent_token_keys_failures_total{issuer="https://file.example"}': "0.0",
    }


async def test_every_key_set_that_cannot_be_used_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_bytes(b"{}")
    trusts = (
        Trust("https://a.example", AUDIENCE, jwks=str(tmp_path / "none.json")),
        Trust("https://b.example", AUDIENCE, jwks=str(tmp_path / "broken.json")),
        Trust("https://c.example", AUDIENCE, jwks="http://keys.example/"),
        Trust("http://d.example", AUDIENCE),
    )
    with pytest.raises(KeysUnusable) as refusal:
        async with open_issuers(trusts, Metrics()):
            pass
    assert str(refusal.value).splitlines() == [
        f"the keys of https://a.example: {tmp_path}/none.json cannot be read: No such file or directory",
        "the keys of https://b.example: this is not a JSON Web Key Set",
        "the keys of https://c.example: http://keys.example/ must be an https URL without a password",
        "the keys of http://d.example: http://d.example must be an https URL without a password",
    ]
