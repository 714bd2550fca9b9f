"""Key sets: what of them is used, when they are fetched, and how long they are believed (STANDARDS 7.8)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from consent_service.domain.errors import Unavailable
from consent_service.http.documents import KeysUnusable
from consent_service.http.keys import COOLDOWN_S, STALE_S, Keys, open_keys, read_key_set
from tests.http.issuers import ISSUER, Issuer, Watch


class Published:
    """A key set as its issuer has it now; `away` where it cannot be reached."""

    def __init__(self, issuer: Issuer, *kids: str) -> None:
        self.issuer = issuer
        self.kids = kids
        self.away = False
        self.asked = 0

    async def __call__(self) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise OSError
        return self.issuer.key_set(self.kids)


def key_set(*jwks: dict[str, Any]) -> bytes:
    return json.dumps({"keys": jwks}).encode()


def test_a_keys_type_binds_its_algorithm() -> None:
    found = read_key_set(Issuer().key_set())
    assert {kid: key.algorithm for kid, key in found.items()} == {
        "rsa": "RS256",
        "ec": "ES256",
        "ed": "EdDSA",
    }


def test_keys_that_cannot_verify_here_are_left_out() -> None:
    good = Issuer().public_jwk("ed")
    weak = json.loads(
        jwt.algorithms.RSAAlgorithm.to_jwk(
            rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505 (must be refused)
        )
    )
    p384 = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))
    other = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key()))
    found = read_key_set(
        key_set(
            {**good, "kid": "good"},
            {**good, "kid": "for-encryption", "use": "enc"},
            {**good, "kid": "for-signing", "key_ops": ["sign"]},
            {**good, "kid": "operations-in-words", "key_ops": "verify"},
            {**good, "kid": "operations-in-numbers", "key_ops": 7},
            {**good, "kid": "another-algorithm", "alg": "RS256"},
            {**good, "kid": 7},
            {name: value for name, value in good.items() if name != "kid"},
            {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"},
            {**weak, "kid": "weak"},
            {**p384, "kid": "p384"},
            {**other, "kid": "ed448"},
            {"kty": "OKP", "crv": "Ed25519", "x": "!!", "kid": "broken"},
            {"kty": "RSA", "n": 7, "e": None, "kid": "numbers"},
            {"kty": "RSA", "n": "", "e": "AQAB", "kid": "nothing"},
            {"kty": ["RSA"], "kid": "list"},
            {"kty": "EC", "crv": "P-256", "x": good["x"], "y": good["x"], "kid": "off-the-curve"},
            {**good, "kid": "good", "use": "enc"},
            {"kid": "empty"},
        )
    )
    assert list(found) == ["good"]


def test_a_private_key_that_was_published_verifies_only() -> None:
    issuer = Issuer()
    private = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(issuer.private["ed"]))
    found = read_key_set(key_set({**private, "kid": "ed", "use": "sig", "key_ops": ["verify"]}))
    assert not hasattr(found["ed"].key, "sign")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1]}',
        b"<html>",
        b'{"keys": null}',
    ],
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(KeysUnusable):
        read_key_set(document)


async def test_an_unknown_key_id_leads_to_one_fetch_in_half_a_minute() -> None:
    watch, published = Watch(), Published(Issuer(), "ed")
    keys = Keys(published, watch)
    await keys.refresh()
    published.kids = ("ed", "rsa")
    assert await keys.find("rsa") is None
    assert published.asked == 1
    watch.seconds += COOLDOWN_S
    assert await keys.find("rsa") is not None
    for _ in range(100):
        assert await keys.find("nobody") is None
    assert published.asked == 2


async def test_many_who_wait_for_a_key_share_one_fetch() -> None:
    watch, published = Watch(), Published(Issuer(), "ed")
    keys = Keys(published, watch)
    await keys.refresh()
    watch.seconds += COOLDOWN_S
    published.kids = ("ed", "rsa")
    found = await asyncio.gather(*(keys.find("rsa") for _ in range(50)))
    assert None not in found
    assert published.asked == 2


async def test_with_the_issuer_away_its_keys_are_believed_for_a_day() -> None:
    watch, published = Watch(), Published(Issuer(), "ed")
    keys = Keys(published, watch)
    await keys.refresh()
    published.away = True
    watch.seconds += STALE_S
    with pytest.raises(KeysUnusable):
        await keys.refresh()
    assert await keys.find("ed") is not None
    watch.seconds += 1
    with pytest.raises(Unavailable):
        await keys.find("ed")
    published.away = False
    await keys.refresh()
    assert await keys.find("ed") is not None


async def test_a_broken_key_set_leaves_the_good_one_in_place() -> None:
    watch, published = Watch(), Published(Issuer(), "ed")
    keys = Keys(published, watch)
    await keys.refresh()
    published.kids = ()
    with pytest.raises(KeysUnusable):
        await keys.refresh()
    assert await keys.find("ed") is not None


async def test_whatever_breaks_in_a_fetch_is_a_fetch_that_failed() -> None:
    """Nothing that comes from outside ends the task that keeps the keys fresh, or is a fault of a request's."""

    async def breaks() -> bytes:
        raise ZeroDivisionError

    failures: list[KeysUnusable] = []
    keys = Keys(breaks, failed=failures.append)
    with pytest.raises(KeysUnusable):
        await keys.refresh()
    assert failures == []
    keys = Keys(breaks, failed=failures.append)
    with pytest.raises(Unavailable):
        await keys.find("ed")
    assert [str(failure) for failure in failures] == ["ZeroDivisionError"]


async def test_the_generation_rises_only_when_the_keys_differ() -> None:
    published = Published(Issuer(), "ed", "rsa", "ec")
    keys = Keys(published)
    seen = []
    for kids in (("ed", "rsa", "ec"), ("ec", "rsa", "ed"), ("ed",), ("ed",)):
        published.kids = kids
        await keys.refresh()
        seen.append(keys.generation)
    published.issuer = Issuer()
    await keys.refresh()
    seen.append(keys.generation)
    assert seen == [1, 1, 2, 2, 3]


async def test_keys_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(Issuer().key_set())
    async with open_keys(ISSUER, str(path)) as keys:
        assert await keys.find("ed") is not None


@pytest.mark.parametrize("content", [None, b"", b"{}"])
async def test_a_file_that_cannot_be_used_is_told_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeysUnusable):
        async with open_keys(ISSUER, str(path)):
            pass


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/jwks.json",
        "http://10.0.0.1/",
        "ftp://127.0.0.1/",
        "https://",
        "http://localhost.evil.example/",
        "http://localhost/",
        "https://name:password@issuer.example/",
        "https://issuer.example:0/",
        "https://issuer.example:x/",
        "https://[::/",
        "https://issuer.example/\njwks.json",
        "file:///etc/keys.json",
    ],
)
async def test_keys_are_taken_over_https_alone(url: str) -> None:
    with pytest.raises(KeysUnusable, match="https"):
        async with open_keys(ISSUER, url):
            pass
