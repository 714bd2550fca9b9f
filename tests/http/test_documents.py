"""What a provider answers over real HTTP: its description and its keys, whatever goes wrong with either."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from consent_service.http import documents
from consent_service.http.documents import (
    BYTES_MAX,
    WELL_KNOWN,
    KeysUnusable,
    discovery_url,
    from_discovery,
    from_url,
)
from consent_service.http.keys import Keys, read_key_set
from tests.http.certificates import certificate
from tests.http.issuers import Issuer, Provider, http_answer
from tests.http.tables import rows


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """More patient than a fetch may be."""
    async with httpx.AsyncClient(timeout=60) as running:
        yield running


def says(**changed: Any) -> Callable[[Provider, str], None]:
    """The description with these members."""
    return lambda provider, _: provider.describe(**changed)


def answers(body: bytes, status: int = 200, head: str = "") -> Callable[[Provider, str], None]:
    def arrange(provider: Provider, path: str) -> None:
        provider.answers[path] = http_answer(body, status, head)

    return arrange


def redirects(provider: Provider, path: str) -> None:
    """To where the right thing is."""
    provider.answers["/moved"] = provider.answers.get(path) or http_answer(provider.issuer.key_set())
    provider.answers[path] = http_answer(b"", 302, f"location: {provider.origin}/moved\r\n")


def hangs(provider: Provider, path: str) -> None:
    """After the beginning of an answer."""
    provider.answers[path] = b"HTTP/1.1 200 Told\r\ncontent-length: 10\r\n\r\n{"
    provider.never_ends.add(path)


def breaks_off(provider: Provider, path: str) -> None:
    provider.answers[path] = b"HTTP/1.1 200 Told\r\ncontent-length: 10\r\n\r\n{"


def speaks_otherwise(provider: Provider, path: str) -> None:
    provider.answers[path] = b"SSH-2.0-OpenSSH_9.9\r\n"


def is_huge(provider: Provider, path: str) -> None:
    whole = provider.answers.get(path) or http_answer(provider.issuer.key_set())
    provider.answers[path] = http_answer(b" " * BYTES_MAX + whole.partition(b"\r\n\r\n")[2])


def is_compressed(provider: Provider, path: str) -> None:
    whole = provider.answers.get(path) or http_answer(provider.issuer.key_set())
    body = gzip.compress(whole.partition(b"\r\n\r\n")[2])
    provider.answers[path] = http_answer(body, 200, "content-encoding: gzip\r\n")


def names_itself_with_a_slash(provider: Provider, _: str) -> None:
    provider.describe(issuer=provider.url + "/")


FAULTS: dict[str, Callable[[Provider, str], None]] = {
    "500": answers(b"", 500),
    "404": answers(b"{}", 404),
    "204": answers(b"", 204),
    "redirect": redirects,
    "hangs": hangs,
    "breaks off": breaks_off,
    "another protocol": speaks_otherwise,
    "huge": is_huge,
    "compressed": is_compressed,
    "a page": answers(b"<html>"),
    "nothing": answers(b""),
    "a list": answers(b"[]"),
    "depth": answers(b'{"keys": ' + b"[" * 100_000),
    "no keys": answers(b'{"keys": []}'),
    "without jwks_uri": says(jwks_uri=None),
    "without issuer": says(issuer=None),
    "a list of issuers": says(issuer=["a", "b"]),
    "another issuer": says(issuer="https://elsewhere.example"),
    "issuer with a slash": names_itself_with_a_slash,
    "http elsewhere": says(jwks_uri="http://keys.example/keys"),
    "http by name": says(jwks_uri="http://localhost/keys"),
    "http at an address": says(jwks_uri="http://10.0.0.1/keys"),
    "a file": says(jwks_uri="file:///etc/keys.json"),
    "a password": says(jwks_uri="https://name:secret@keys.example/"),
    "no URL": says(jwks_uri="keys"),
    "two lines": says(jwks_uri="https://keys.example/\nkeys"),
}

#: Where | what is wrong there | what is told
REFUSED = """
keys        | 500                 | /keys answered 500
keys        | 404                 | /keys answered 404
keys        | 204                 | /keys answered 204
keys        | redirect            | /keys answered 302
keys        | hangs               | /keys did not answer in full within 0.2 seconds
keys        | breaks off          | /keys cannot be read: RemoteProtocolError
keys        | another protocol    | /keys cannot be read: RemoteProtocolError
keys        | huge                | /keys answered with more than 262144 bytes
keys        | compressed          | /keys answered with a compressed body
keys        | a page              | not a JSON Web Key Set
keys        | nothing             | not a JSON Web Key Set
keys        | a list              | not a JSON Web Key Set
keys        | depth               | not a JSON Web Key Set
keys        | no keys             | holds no RSA, P-256 or Ed25519 key
description | 500                 | openid-configuration answered 500
description | 404                 | openid-configuration answered 404
description | redirect            | openid-configuration answered 302
description | hangs               | openid-configuration did not answer in full within 0.2 seconds
description | breaks off          | openid-configuration cannot be read: RemoteProtocolError
description | huge                | openid-configuration answered with more than 262144 bytes
description | compressed          | openid-configuration answered with a compressed body
description | a page              | openid-configuration is no description of an OpenID provider
description | nothing             | openid-configuration is no description of an OpenID provider
description | a list              | openid-configuration is no description of an OpenID provider
description | depth               | openid-configuration is no description of an OpenID provider
description | without jwks_uri    | openid-configuration is no description of an OpenID provider
description | without issuer      | openid-configuration is no description of an OpenID provider
description | a list of issuers   | openid-configuration is no description of an OpenID provider
description | another issuer      | openid-configuration describes another issuer
description | issuer with a slash | openid-configuration describes another issuer
description | http elsewhere      | must be https
description | http by name        | must be https
description | http at an address  | must be https
description | a file              | must be https
description | a password          | must be https
description | no URL              | must be https
description | two lines           | must be https
"""
PATHS = {"keys": "/keys", "description": WELL_KNOWN}


@pytest.mark.parametrize(("where", "fault", "words"), rows(REFUSED, 3))
async def test_what_is_not_as_it_should_be_gives_no_keys(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, where: str, fault: str, words: str
) -> None:
    if fault == "hangs":
        monkeypatch.setattr(documents, "FETCH_S", 0.2)
    async with Provider().running() as provider:
        FAULTS[fault](provider, PATHS[where])
        keys = Keys(from_discovery(client, provider.url))
        with pytest.raises(KeysUnusable) as refusal:
            await keys.refresh()
        assert words in str(refusal.value)
        assert provider.asked == ({WELL_KNOWN: 1, "/keys": 1} if where == "keys" else {WELL_KNOWN: 1})


@pytest.mark.parametrize("place", ["", "/realms/consent", "/tenant/v2.0", "/ends-with/"])
async def test_a_provider_says_where_its_keys_are(client: httpx.AsyncClient, place: str) -> None:
    async with Provider(place).running() as provider:
        # A slash at the name's end is not doubled.
        provider.answers[WELL_KNOWN.removeprefix("/")] = provider.answers[WELL_KNOWN]
        document = await from_discovery(client, provider.url)()
        assert list(read_key_set(document)) == ["ed"]
        assert provider.asked.total() == 2


def test_a_slash_at_the_end_of_the_name_is_left_out_where_the_provider_describes_itself() -> None:
    """OpenID Connect Discovery 1.0 section 4."""
    assert discovery_url("https://a.example/b/") == "https://a.example/b/.well-known/openid-configuration"
    assert discovery_url("https://a.example") == "https://a.example/.well-known/openid-configuration"


async def test_the_keys_may_move(client: httpx.AsyncClient) -> None:
    async with Provider().running() as provider:
        keys = Keys(from_discovery(client, provider.url))
        await keys.refresh()
        moved = Issuer()
        provider.answers["/new-keys"] = http_answer(moved.key_set(["rsa"]))
        provider.describe(jwks_uri=f"{provider.origin}/new-keys")
        await keys.refresh()
        assert await keys.find("rsa") is not None
        assert provider.asked["/keys"] == 1


async def test_over_tls_a_provider_is_believed_by_its_certificate_alone(
    tmp_path: Path, client: httpx.AsyncClient
) -> None:
    shown, believed = certificate(tmp_path)
    async with Provider(tls=shown).running() as provider, httpx.AsyncClient(verify=believed) as knowing:
        assert read_key_set(await from_discovery(knowing, provider.url)())
        assert read_key_set(await from_url(knowing, provider.jwks_uri)())
        with pytest.raises(KeysUnusable, match="CERTIFICATE_VERIFY_FAILED"):
            await from_discovery(client, provider.url)()


async def test_a_provider_over_tls_cannot_send_us_to_this_machine(tmp_path: Path) -> None:
    shown, believed = certificate(tmp_path)
    async with (
        Provider().running() as other,
        Provider(tls=shown).running() as provider,
        httpx.AsyncClient(verify=believed) as client,
    ):
        provider.describe(jwks_uri=other.jwks_uri)
        with pytest.raises(KeysUnusable, match="must be https"):
            await from_discovery(client, provider.url)()
        assert other.asked == {}
