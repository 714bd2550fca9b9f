"""What an issuer publishes, bounded in size and time: its key set, from a file, a URL, or where it says itself."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

FETCH_S = 5.0
BYTES_MAX = 1 << 18
WELL_KNOWN = "/.well-known/openid-configuration"
#: A compressed answer could be far larger than what comes over the line.
_HEADERS = {"accept": "application/json", "accept-encoding": "identity"}

#: Gives a key set as its issuer has it now. Raises KeysUnusable.
Fetch = Callable[[], Awaitable[bytes]]


class KeysUnusable(Exception):
    """The key set cannot be had, or holds no key that verifies."""


class _Provider(msgspec.Struct):
    """What is read of an OpenID provider's description (OpenID Connect Discovery 1.0 section 3)."""

    issuer: str
    jwks_uri: str


def from_file(path: Path) -> Fetch:
    async def fetch() -> bytes:
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise KeysUnusable(f"{path} cannot be read: {error.strerror}") from error

    return fetch


def from_url(client: httpx.AsyncClient, url: str) -> Fetch:
    async def fetch() -> bytes:
        return await _get(client, url)

    return fetch


def from_discovery(client: httpx.AsyncClient, issuer: str) -> Fetch:
    """The provider's description is read each time, so that a key set may move; it must be of this very issuer."""
    url = discovery_url(issuer)

    async def fetch() -> bytes:
        try:
            provider = msgspec.json.decode(await _get(client, url), type=_Provider)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise KeysUnusable(f"{url} is no description of an OpenID provider") from error
        if provider.issuer != issuer:
            raise KeysUnusable(
                f"{url} describes another issuer: `issuer` must be the same, character by character"
            )
        if not is_safe(provider.jwks_uri) or (_is_https(issuer) and not _is_https(provider.jwks_uri)):
            raise KeysUnusable(f"the `jwks_uri` of {url} must be https")
        return await _get(client, provider.jwks_uri)

    return fetch


def discovery_url(issuer: str) -> str:
    """Where an issuer describes itself: a slash at its end is left out (OpenID Connect Discovery 1.0 section 4)."""
    return issuer.removesuffix("/") + WELL_KNOWN


def is_safe(url: str) -> bool:
    """Whether nobody on the way can change what comes from there, and no secret is in it that a log would show.

    That is https, or http on this machine by its address, without a name and password.
    """
    try:
        parts = urlsplit(url)
        if not (parts.hostname and url.isprintable()) or parts.port == 0 or parts.username is not None:
            return False
        if parts.scheme == "http":
            return ipaddress.ip_address(parts.hostname).is_loopback
        return parts.scheme == "https"
    except ValueError:
        return False


def _is_https(url: str) -> bool:
    return urlsplit(url).scheme == "https"


async def _get(client: httpx.AsyncClient, url: str) -> bytes:
    """All of it within the time, or KeysUnusable; an answer other than 200, a redirect too, gives nothing."""
    document = b""
    try:
        async with asyncio.timeout(FETCH_S), client.stream("GET", url, headers=_HEADERS) as answer:
            if answer.status_code != 200:
                raise KeysUnusable(f"{url} answered {answer.status_code}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise KeysUnusable(f"{url} answered with a compressed body, which was not asked for")
            async for part in answer.aiter_raw():
                document += part
                if len(document) > BYTES_MAX:
                    raise KeysUnusable(f"{url} answered with more than {BYTES_MAX} bytes")
    except (TimeoutError, httpx.TimeoutException):
        raise KeysUnusable(f"{url} did not answer in full within {FETCH_S:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise KeysUnusable(f"{url} cannot be read: {type(error).__name__} {error}".rstrip()) from error
    return document
