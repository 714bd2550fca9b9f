"""Bearer tokens with real keys: what is accepted, what is 401 and what is 403 (API face 1, CORE 16, RFC 8725)."""

from __future__ import annotations

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from consent_service.domain.errors import ConsentError, Unavailable, UnknownController
from consent_service.http import auth
from consent_service.http.auth import Tokens
from consent_service.http.keys import STALE_S, Keys
from consent_service.usecases import clock
from tests.http.conftest import Api
from tests.http.issuers import AUDIENCE, ISSUER, Issuer
from tests.http.tables import told

PURPOSES = "/v1/purposes"


async def ask(api: Api, token: str) -> str:
    return told(await api("GET", PURPOSES, token=token))


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def nobody_is_unknown(controller: str) -> None:
    """A catalogue that has every controller."""


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
async def test_tokens_signed_with_each_kind_of_key_are_accepted(api: Api, kid: str) -> None:
    assert await ask(api, api.issuer.sign(kid)) == "200"


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["other", AUDIENCE]])
async def test_an_audience_may_be_a_list(api: Api, audience: Any) -> None:
    assert await ask(api, api.issuer.sign(aud=audience)) == "200"


#: Claims that differ from a good token's, and the reason that is told.
BAD_CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://elsewhere.example"}, "The token comes from another issuer."),
    ({"iss": ISSUER + "/"}, "The token comes from another issuer."),
    ({"aud": "other"}, "The token is for another audience."),
    ({"aud": ["a", "b"]}, "The token is for another audience."),
    ({"exp": int(time.time()) - 31}, "The token has expired."),
    ({"exp": "soon"}, "The token is not valid."),
    ({"exp": str(int(time.time()) + 86_400)}, "The claim `exp` is no time."),
    ({"exp": 10**400}, "The claim `exp` is no time."),
    ({"nbf": int(time.time()) + 86_400}, "The token is not valid yet."),
    ({"iat": int(time.time()) + 86_400}, "The token is not valid yet."),
    ({"controller": "No Slug"}, "The claim `controller` names one controller."),
    ({"controller": ["ansettr", "sonh"]}, "The claim `controller` names one controller."),
    ({"sub": ""}, "The claim `sub` has 1 to 255 characters, no control characters."),
    ({"sub": "a\0b"}, "The claim `sub` has 1 to 255 characters, no control characters."),
    ({"sub": "\ud800"}, "The claim `sub` has 1 to 255 characters, no control characters."),
    ({"sub": "x" * 256}, "The claim `sub` has 1 to 255 characters, no control characters."),
    ({"scope": ["catalogue:read"]}, "The claim `scope` is one text of names with blanks between."),
    ({"purposes": "newsletter"}, "The claim `purposes` is a list of names."),
    ({"recipient": ["brevo"]}, "The claim `recipient` names one recipient."),
    ({"recipient": "No Slug"}, "The claim `recipient` names one recipient."),
    *(
        ({claim: None}, "The token must have the claims iss, aud, exp, sub, controller, scope.")
        for claim in ("iss", "exp", "sub", "controller", "scope")
    ),
    ({"aud": None}, "The token must have the claims iss, aud, exp, sub, controller, scope."),
]


@pytest.mark.parametrize(("changed", "why"), BAD_CLAIMS)
async def test_a_token_with_wrong_claims_is_401(api: Api, changed: dict[str, Any], why: str) -> None:
    answer = await api("GET", PURPOSES, token=api.issuer.sign(**changed))
    assert told(answer) == "401 unauthenticated"
    assert answer.json()["detail"] == why
    assert answer.headers["www-authenticate"] == 'Bearer realm="consent-service", error="invalid_token"'


async def test_clocks_may_differ_by_half_a_minute(api: Api) -> None:
    assert await ask(api, api.issuer.sign(exp=int(time.time()) - 20)) == "200"
    assert await ask(api, api.issuer.sign(nbf=int(time.time()) + 20)) == "200"


async def test_without_a_token_the_challenge_names_no_error(api: Api) -> None:
    answer = await api.client.get(PURPOSES)
    assert told(answer) == "401 unauthenticated"
    assert answer.headers["www-authenticate"] == 'Bearer realm="consent-service"'


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Basic a2FyaQ==", "bearer", "Bearer a b", "Bearer x,y", "token", "Bearer \xe6"],
)
async def test_what_is_no_bearer_header_is_401(api: Api, header: str) -> None:
    answer = await api.client.get(PURPOSES, headers=[(b"authorization", header.encode("latin-1"))])
    assert told(answer) == "401 unauthenticated"


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "..", "x" * 8192, "x" * 9000, encoded({}) + ".e30.", "e30.e30.e30"]
)
async def test_garbage_is_401(api: Api, token: str) -> None:
    assert await ask(api, token) == "401 unauthenticated"


async def test_a_token_without_a_signature_is_401(api: Api) -> None:
    """RFC 8725 section 2.1: `alg: none`, in every spelling."""
    claims = api.issuer.sign().split(".")[1]
    for name in ("none", "None", "NONE", "nOnE"):
        for kid in ("ed", "rsa", None):
            head = encoded({"alg": name, "kid": kid, "typ": "JWT"})
            assert await ask(api, f"{head}.{claims}.") == "401 unauthenticated"


async def test_a_public_key_is_no_shared_secret(api: Api) -> None:
    """RFC 8725 section 2.1: HS256 with the published RSA key as its secret."""
    public = (
        api.issuer.private["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    claims = api.issuer.sign().split(".")[1]
    signed = f"{encoded({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{claims}"
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), sha256)).rstrip(b"=").decode()
    assert await ask(api, f"{signed}.{signature}") == "401 unauthenticated"


async def test_the_algorithm_is_the_keys_whatever_the_token_says(api: Api) -> None:
    private = api.issuer.private["rsa"]
    claims = jwt.decode(api.issuer.sign(), options={"verify_signature": False})
    for algorithm in ("RS384", "RS512", "PS256"):
        token = jwt.encode(claims, private, algorithm=algorithm, headers={"kid": "rsa"})
        assert await ask(api, token) == "401 unauthenticated"
    assert await ask(api, api.issuer.sign("ec", {"kid": "rsa"})) == "401 unauthenticated"


async def test_a_key_that_the_issuer_does_not_publish_is_401(api: Api) -> None:
    stranger = Issuer()
    assert await ask(api, stranger.sign("ed")) == "401 unauthenticated"
    for kid in ("nobody", "", "../../key", "ed\n", None):
        assert await ask(api, api.issuer.sign("ed", {"kid": kid} if kid is not None else {"kid": ""})) == (
            "401 unauthenticated"
        )


async def test_keys_inside_the_token_are_not_looked_at(api: Api) -> None:
    """RFC 8725 section 3.10: neither `jwk` nor `jku`."""
    own = ed25519.Ed25519PrivateKey.generate()
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(own.public_key()))
    claims = jwt.decode(api.issuer.sign(), options={"verify_signature": False})
    headers = {"kid": "ed", "jwk": jwk, "jku": "https://evil.example/jwks.json"}
    assert (
        await ask(api, jwt.encode(claims, own, algorithm="EdDSA", headers=headers)) == "401 unauthenticated"
    )


async def test_a_changed_token_is_401(api: Api) -> None:
    head, _, signature = api.issuer.sign().split(".")
    claims = api.issuer.sign(controller="sonh").split(".")[1]
    assert await ask(api, f"{head}.{claims}.{signature}") == "401 unauthenticated"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("JWT", "200"), ("at+jwt", "200"), ("AT+JWT", "200"), ("dpop+jwt", "401 unauthenticated")],
)
async def test_the_type_of_the_token_is_looked_at(api: Api, kind: str, expected: str) -> None:
    assert await ask(api, api.issuer.sign(header={"typ": kind})) == expected


async def test_two_authorization_headers_are_401(api: Api) -> None:
    good = f"Bearer {api.issuer.sign()}"
    answer = await api.client.get(PURPOSES, headers=[("authorization", good), ("authorization", good)])
    assert told(answer) == "401 unauthenticated"


async def test_a_scope_that_is_missing_is_403_and_named(api: Api) -> None:
    answer = await api("GET", PURPOSES, token=api.issuer.sign(scope="consents:read catalogue:write"))
    assert told(answer) == "403 insufficient-scope"
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="consent-service", error="insufficient_scope", scope="catalogue:read"'
    )
    assert await ask(api, api.issuer.sign(scope="")) == "403 insufficient-scope"
    assert await ask(api, api.issuer.sign(scope="catalogue:reader")) == "403 insufficient-scope"


async def test_a_controller_without_a_catalogue_is_403(api: Api) -> None:
    assert await ask(api, api.issuer.sign(controller="nobody")) == "403 unknown-controller"


async def test_401_comes_before_404_and_before_the_body_is_read(api: Api) -> None:
    for path in ("/v1/nothing", "/v1/subjects/x/consents/y/z", "/v1/records/no-uuid"):
        assert (await api.client.get(path)).status_code in (401, 405), path
        assert told(await api.client.get("/v1/nothing")) == "401 unauthenticated"
    answer = await api.client.post("/v1/decisions", content=b"{", headers={"content-type": "text/plain"})
    assert told(answer) == "401 unauthenticated"
    few = api.issuer.sign(scope="catalogue:read")
    assert told(await api("POST", "/v1/decisions", b"{", token=few)) == "403 insufficient-scope"
    assert told(await api("GET", "/v1/nothing", token=few)) == "404 not-found"


async def test_a_remembered_token_is_forgotten_when_it_expires() -> None:
    issuer, moment = Issuer(), clock.now()
    tokens = Tokens(
        await issuer.keys(),
        issuer=ISSUER,
        audience=AUDIENCE,
        check_controller=nobody_is_unknown,
        now=lambda: moment,
    )
    header = f"Bearer {issuer.sign(exp=int(time.time()) - 20)}".encode()
    first = await tokens.principal(header)
    moment = clock.now().replace(year=1999)
    assert await tokens.principal(header) is first
    moment = clock.now()
    assert await tokens.principal(header) is not first


async def test_remembered_tokens_are_forgotten_when_the_keys_change() -> None:
    issuer = Issuer()
    keys = await issuer.keys()
    tokens = Tokens(keys, issuer=ISSUER, audience=AUDIENCE, check_controller=nobody_is_unknown, now=clock.now)
    header = f"Bearer {issuer.sign()}".encode()
    first = await tokens.principal(header)
    await keys.refresh()
    assert await tokens.principal(header) is first
    issuer.private["ed"] = ed25519.Ed25519PrivateKey.generate()
    await keys.refresh()
    with pytest.raises(ConsentError) as refusal:
        await tokens.principal(header)
    assert refusal.value.slug == "unauthenticated"


async def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "REMEMBERED_MAX", 3)
    issuer = Issuer()
    tokens = Tokens(
        await issuer.keys(),
        issuer=ISSUER,
        audience=AUDIENCE,
        check_controller=nobody_is_unknown,
        now=clock.now,
    )
    headers = [f"Bearer {issuer.sign(sub=f'system-{number}')}".encode() for number in range(4)]
    first = [await tokens.principal(header) for header in headers]
    again = [await tokens.principal(header) for header in reversed(headers)]
    assert [one is two for one, two in zip(reversed(first), again, strict=True)] == [True, True, True, False]


async def test_without_keys_nobody_is_refused_and_nobody_let_in() -> None:
    async def away() -> bytes:
        raise OSError

    keys = Keys(away)
    tokens = Tokens(keys, issuer=ISSUER, audience=AUDIENCE, check_controller=nobody_is_unknown, now=clock.now)
    with pytest.raises(Unavailable):
        await tokens.principal(f"Bearer {Issuer().sign()}".encode())


async def test_a_remembered_token_is_not_believed_longer_than_the_keys() -> None:
    issuer, seconds = Issuer(), 0.0

    async def fetch() -> bytes:
        return issuer.key_set()

    keys = Keys(fetch, lambda: seconds)
    await keys.refresh()
    tokens = Tokens(keys, issuer=ISSUER, audience=AUDIENCE, check_controller=nobody_is_unknown, now=clock.now)
    header = f"Bearer {issuer.sign()}".encode()
    await tokens.principal(header)
    seconds = STALE_S + 1
    with pytest.raises(Unavailable):
        await tokens.principal(header)


async def test_a_token_of_an_unknown_controller_is_asked_about_each_time() -> None:
    issuer, asked = Issuer(), []

    async def everybody_is_unknown(controller: str) -> None:
        asked.append(controller)
        raise UnknownController("There is no such controller.")

    tokens = Tokens(
        await issuer.keys(),
        issuer=ISSUER,
        audience=AUDIENCE,
        check_controller=everybody_is_unknown,
        now=clock.now,
    )
    header = f"Bearer {issuer.sign()}".encode()
    for _ in range(2):
        with pytest.raises(UnknownController):
            await tokens.principal(header)
    assert asked == ["ansettr", "ansettr"]
