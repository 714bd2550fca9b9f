"""The issuer's public keys: a JSON Web Key Set from a file or an https URL, kept fresh in the background."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import msgspec

from consent_service.domain.errors import Unavailable

REFRESH_S = 300.0
#: An unknown key id leads to a fetch at most this often, whoever sends it.
COOLDOWN_S = 30.0
#: With the issuer away, its keys are still believed for a day.
STALE_S = 86_400.0
_FETCH_S = 5.0
_BYTES_MAX = 1 << 18
_RSA_BITS_MIN = 2048

_log = logging.getLogger(__name__)


class KeysUnusable(Exception):
    """The key set cannot be had, or holds no key that verifies."""


class VerificationKey(msgspec.Struct, frozen=True):
    """A public key with the one algorithm that its type allows (RFC 8725 section 3.1)."""

    algorithm: str
    key: Any


def read_key_set(document: bytes) -> dict[str, VerificationKey]:
    """The usable keys by key id: RSA, P-256, Ed25519, for signatures. Raises KeysUnusable if there is none."""
    try:
        keys = msgspec.json.decode(document)["keys"]
        found = {key["kid"]: _usable(key) for key in keys if isinstance(key.get("kid"), str)}
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise KeysUnusable("this is not a JSON Web Key Set") from error
    usable = {kid: key for kid, key in found.items() if key is not None}
    if not usable:
        raise KeysUnusable("the key set holds no RSA, P-256 or Ed25519 key with a `kid`")
    return usable


def _usable(jwk: Mapping[str, Any]) -> VerificationKey | None:
    """The key, or None where it is of another type, for another use, or too weak."""
    algorithm = _algorithm(jwk)
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    if "verify" not in jwk.get("key_ops", ["verify"]):
        return None
    public = {
        name: value for name, value in jwk.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")
    }
    try:
        key = jwt.PyJWK(public, algorithm=algorithm).key
    except jwt.PyJWTError:
        return None
    if algorithm == "RS256" and key.key_size < _RSA_BITS_MIN:
        return None
    return VerificationKey(algorithm, key)


def _algorithm(jwk: Mapping[str, Any]) -> str | None:
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            return "RS256"
        case "EC", "P-256":
            return "ES256"
        case "OKP", "Ed25519":
            return "EdDSA"
        case _:
            return None


class Keys:
    """The key set in memory. `fetch` gives the document; `seconds` is a clock that only goes forward."""

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._keys: dict[str, VerificationKey] = {}
        self._loaded_at: float | None = None
        self._asked_at: float | None = None
        self._one_at_a_time = asyncio.Lock()
        #: Goes up when the keys differ from before, so that what was verified with them is forgotten.
        self.generation = 0

    def check_fresh(self) -> None:
        """Raises Unavailable where no keys were ever had, or none for a day."""
        if self._loaded_at is None or self._seconds() - self._loaded_at > STALE_S:
            raise Unavailable("The token issuer's keys cannot be had now; try again.")

    async def find(self, kid: str) -> VerificationKey | None:
        """The key of that id; for an unknown one the set is fetched again, if that was not tried just now."""
        if kid not in self._keys and self._may_ask():
            async with self._one_at_a_time:
                if kid not in self._keys and self._may_ask():
                    await self._refresh_quietly()
        self.check_fresh()
        return self._keys.get(kid)

    def _may_ask(self) -> bool:
        return self._asked_at is None or self._seconds() - self._asked_at >= COOLDOWN_S

    async def refresh(self) -> None:
        """Fetch the set anew; the keys at hand stay when that fails. Raises KeysUnusable."""
        try:
            keys = read_key_set(await self._fetch())
        except (OSError, httpx.HTTPError) as error:
            raise KeysUnusable(f"the token keys (CONSENT_JWKS) cannot be read: {error}") from error
        finally:
            # At the end: whoever comes meanwhile waits for this fetch.
            self._asked_at = self._seconds()
        self._loaded_at = self._seconds()
        if _identity(keys) != _identity(self._keys):
            self._keys = keys
            self.generation += 1

    async def _refresh_quietly(self) -> None:
        try:
            await self.refresh()
        except KeysUnusable as error:
            _log.warning("token keys were not refreshed: %s", error)

    async def keep_fresh(self) -> None:
        """Refresh for ever, in the background."""
        while True:
            await asyncio.sleep(REFRESH_S if self._loaded_at is not None else COOLDOWN_S)
            async with self._one_at_a_time:
                await self._refresh_quietly()


def _identity(keys: Mapping[str, VerificationKey]) -> dict[str, tuple[str, Any]]:
    return {
        kid: (key.algorithm, key.key.public_numbers() if hasattr(key.key, "public_numbers") else key.key)
        for kid, key in keys.items()
    }


@asynccontextmanager
async def open_keys(source: str) -> AsyncIterator[Keys]:
    """Keys from a path or URL, kept fresh while the block runs.

    An issuer that is away at the start is waited for in the background. Raises KeysUnusable for a file that
    cannot be used, and for a URL that is not https (http is taken on a loopback address alone).
    """
    if "://" not in source:
        keys = Keys(_from_file(Path(source)))
        await keys.refresh()
        async with _kept_fresh(keys):
            yield keys
        return
    _check_url(source)
    async with httpx.AsyncClient(timeout=_FETCH_S, follow_redirects=False) as client:
        keys = Keys(_from_url(client, source))
        with suppress(KeysUnusable):
            await keys.refresh()
        async with _kept_fresh(keys):
            yield keys


@asynccontextmanager
async def _kept_fresh(keys: Keys) -> AsyncIterator[None]:
    task = asyncio.create_task(keys.keep_fresh(), name="token keys")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _from_file(path: Path) -> Callable[[], Awaitable[bytes]]:
    async def fetch() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    return fetch


def _from_url(client: httpx.AsyncClient, url: str) -> Callable[[], Awaitable[bytes]]:
    async def fetch() -> bytes:
        document = b""
        async with client.stream("GET", url, headers={"accept": "application/json"}) as answer:
            if answer.status_code != 200:
                raise KeysUnusable(f"the issuer answered {answer.status_code}")
            async for part in answer.aiter_bytes():
                document += part
                if len(document) > _BYTES_MAX:
                    raise KeysUnusable(f"the key set is larger than {_BYTES_MAX} bytes")
        return document

    return fetch


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    with suppress(ValueError):
        if parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback:
            return
    raise KeysUnusable("the key set's URL must be https")
