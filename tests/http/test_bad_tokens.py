"""Authorization headers of any bytes and tokens with anything changed: 401, unless all of it is right (CORE 16)."""

from __future__ import annotations

import base64
import hmac
import json
import math
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.domain.errors import Unauthenticated
from consent_service.http.auth import LEEWAY_S, Principal, Tokens
from tests.http.issuers import AUDIENCE, ISSUER, Issuer, tokens_of
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 900))]

ISSUED = Issuer()
STRANGER = Issuer()
KIDS = ("ed", "ec", "rsa")
ALGORITHMS = ("EdDSA", "ES256", "RS256", "PS256", "HS256", "HS512", "none", "None", "", "ES384")
NOW = int(time.time())
#: Good for as long as any run takes: they are made when the tests are gathered.
CLAIMS: dict[str, Any] = jwt.decode(ISSUED.sign(exp=NOW + 86_400), options={"verify_signature": False})
many = settings(max_examples=soak(120, 2_400), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)


@pytest.fixture(scope="module")
async def tokens() -> Tokens:
    return tokens_of(await ISSUED.believed())


async def accepted(tokens: Tokens, header: bytes) -> Principal | None:
    """Who speaks, or nobody where the header is refused as it must be: 401, with a challenge."""
    try:
        return await tokens.principal(header)
    except Unauthenticated as refusal:
        refused = refusal
    headers: dict[str, str] = getattr(refused, "headers", {})
    assert headers["www-authenticate"].startswith("Bearer ")
    assert refused.detail
    return None


def encoded(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def signed(header: bytes, claims: bytes, kid: str, issuer: Issuer, algorithm: str | None = None) -> bytes:
    """A bearer header with these parts. HS256 signs with the public key, `none` not at all."""
    message = encoded(header) + b"." + encoded(claims)
    key = issuer.private[kid]
    if algorithm in ("HS256", "HS512"):
        secret = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        signature = _hmac(message, secret, algorithm)
    elif algorithm == "none":
        signature = b""
    else:
        signature = jwt.get_algorithm_by_name(issuer.algorithms[kid]).sign(message, key)
    return b"Bearer " + message + b"." + encoded(signature)


def _hmac(message: bytes, secret: bytes, algorithm: str) -> bytes:
    return hmac.digest(secret, message, "sha256" if algorithm == "HS256" else "sha512")


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


HARD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        NOW,
        NOW - 29.5,
        NOW + 86_400,
        str(NOW + 86_400),
        10**400,
        1e300,
        math.nan,
        math.inf,
    ),
    *("", "a", "\ud800", "a\0", "\n", "x" * 255, "x" * 256, "\U0001f642" * 255, ISSUER, AUDIENCE, "Ansettr"),
    *(
        [],
        [AUDIENCE],
        [AUDIENCE, 1],
        [[]],
        ["\ud800"],
        {},
        {AUDIENCE: 1},
        "consents:read  \u00a0consents:write",
    ),
)
numbers = st.integers() | st.integers(NOW - 100, NOW + 100) | st.floats()
texts = st.text(max_size=12) | st.sampled_from([ISSUER, AUDIENCE])
values = st.recursive(
    st.sampled_from(HARD) | st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@many
@given(
    header=st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=80).map(lambda rest: b"Bearer " + rest),
        st.lists(st.binary(max_size=40).map(encoded), max_size=5).map(
            lambda parts: b"bearer " + b".".join(parts)
        ),
        st.lists(values.map(as_json).map(encoded), max_size=4).map(
            lambda parts: b"Bearer " + b".".join(parts)
        ),
        st.integers(1, 6_000).map(lambda depth: b"Bearer " + encoded(b"[" * depth) + b".e30.e30"),
    )
)
async def test_any_bytes_are_refused(tokens: Tokens, header: bytes) -> None:
    assert await accepted(tokens, header) is None


@many
@given(
    changes=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "jku", "jwk", "crit", "b64", "zip", "x5c", "x5u", "cty"]),
        st.sampled_from([*ALGORITHMS, *KIDS, "JWT", "at+jwt", ["exp"], ["b64"], "https://evil.example"])
        | values,
        max_size=3,
    ),
    kid=st.sampled_from(KIDS),
    stranger=st.booleans(),
    how=st.sampled_from([None, "HS256", "HS512", "none"]),
)
async def test_a_header_decides_nothing(
    tokens: Tokens, changes: dict[str, Any], kid: str, stranger: bool, how: str | None
) -> None:
    """RFC 8725 sections 2.1, 3.1, 3.10: the key decides the algorithm, and the issuer's key set the key."""
    header = {"alg": ISSUED.algorithms[kid], "kid": kid, "typ": "at+jwt", **changes}
    issuer = STRANGER if stranger else ISSUED
    who = await accepted(tokens, signed(as_json(header), as_json(CLAIMS), kid, issuer, how))
    right = not stranger and how is None and (header["alg"], header["kid"]) == (ISSUED.algorithms[kid], kid)
    if who is not None:
        assert right
        assert str(header["typ"]).lower() in ("jwt", "at+jwt", "application/at+jwt")
        # The one extension that the library knows, which says here that nothing is unusual.
        assert "crit" not in header or (header["crit"], header["b64"]) == (["b64"], True)
        assert who.caller.subject == CLAIMS["sub"]
    else:
        assert not right or changes


@many
@given(
    alg=st.sampled_from(ALGORITHMS),
    kid=st.sampled_from(KIDS),
    how=st.sampled_from(["HS256", "HS512", "none"]),
)
async def test_a_public_key_signs_nothing(tokens: Tokens, alg: str, kid: str, how: str) -> None:
    header = as_json({"alg": alg, "kid": kid, "typ": "JWT"})
    assert await accepted(tokens, signed(header, as_json(CLAIMS), kid, ISSUED, how)) is None


async def test_a_claim_of_the_wrong_kind_is_refused_or_right(tokens: Tokens) -> None:
    """Each claim with each value that is hard, and without."""
    for name in (*CLAIMS, "nbf", "purposes"):
        await check(tokens, {claim: value for claim, value in CLAIMS.items() if claim != name})
        for hard in HARD:
            await check(tokens, {**CLAIMS, name: hard})


@many
@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "purposes"]), values, min_size=1, max_size=3))
async def test_claims_of_any_kind_are_refused_or_right(tokens: Tokens, changes: dict[str, Any]) -> None:
    await check(tokens, {**CLAIMS, **changes})


async def check(tokens: Tokens, claims: dict[str, Any]) -> None:
    """Who is let in has claims that are right."""
    header = as_json({"alg": "EdDSA", "kid": "ed", "typ": "JWT"})
    who = await accepted(tokens, signed(header, as_json(claims), "ed", ISSUED))
    if who is None:
        return
    assert claims["iss"] == ISSUER
    assert claims["aud"] == AUDIENCE or AUDIENCE in claims["aud"]
    assert isinstance(claims["exp"], int | float)
    assert who.expires_at == float(claims["exp"]) > time.time() - LEEWAY_S - 1
    assert float(claims.get("nbf") or 0) <= time.time() + LEEWAY_S + 1
    assert (who.caller.controller, who.caller.subject) == (claims["controller"], claims["sub"])
    assert 1 <= len(who.caller.subject.encode()) <= 1_020
    assert who.scopes == set(claims["scope"].split())
    assert who.caller.purposes == (None if claims.get("purposes") is None else frozenset(claims["purposes"]))


@many
@given(place=st.integers(0), character=st.sampled_from("ABab01-_.="), kid=st.sampled_from(KIDS))
async def test_a_token_with_one_character_changed_is_refused(
    tokens: Tokens, place: int, character: str, kid: str
) -> None:
    good = ISSUED.sign(kid)
    at = place % len(good)
    changed = good[:at] + character + good[at + 1 :]
    who = await accepted(tokens, f"Bearer {changed}".encode())
    # The last character of a part holds bits that say nothing.
    assert who is None or _bytes(changed) == _bytes(good)


def _bytes(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
