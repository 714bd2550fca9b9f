"""An issuer's public keys: a JSON Web Key Set, kept fresh in the background."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec

from consent_service.domain.errors import Unavailable
from consent_service.http.documents import (
    FETCH_S,
    Fetch,
    KeysUnusable,
    from_discovery,
    from_file,
    from_url,
    is_safe,
)

REFRESH_S = 300.0
#: An unknown key id leads to a fetch at most this often, whoever sends it; a fetch that failed is tried again then.
COOLDOWN_S = 30.0
#: With the issuer away, its keys are still believed for a day.
STALE_S = 86_400.0
_RSA_BITS_MIN = 2048


class VerificationKey(msgspec.Struct, frozen=True):
    """A public key with the one algorithm that its type allows (RFC 8725 section 3.1)."""

    algorithm: str
    key: Any


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def read_key_set(document: bytes) -> dict[str, VerificationKey]:
    """The usable keys by key id: RSA, P-256, Ed25519, for signatures. Raises KeysUnusable if there is none."""
    try:
        keys = msgspec.json.decode(document, type=_KeySet).keys
    except (msgspec.MsgspecError, RecursionError) as error:
        raise KeysUnusable("this is not a JSON Web Key Set") from error
    found = ((key["kid"], _usable(key)) for key in keys if isinstance(key.get("kid"), str))
    usable = {kid: key for kid, key in found if key is not None}
    if not usable:
        raise KeysUnusable("the key set holds no RSA, P-256 or Ed25519 key with a `kid`")
    return usable


def _usable(jwk: Mapping[str, Any]) -> VerificationKey | None:
    """The key, or None where it is of another type, for another use, or too weak."""
    algorithm = _algorithm(jwk)
    if algorithm is None or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
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
    """An issuer's key set in memory. `fetch` gives the document; `seconds` is a clock that only goes forward."""

    def __init__(
        self,
        fetch: Fetch,
        seconds: Callable[[], float] = time.monotonic,
        *,
        failed: Callable[[KeysUnusable], None] = lambda _: None,
    ) -> None:
        """`failed` hears of each fetch that gave no keys and that nobody waits for by `refresh`."""
        self._fetch = fetch
        self._seconds = seconds
        self._failed = failed
        self._keys: dict[str, VerificationKey] = {}
        self._loaded_at: float | None = None
        self._asked_at: float | None = None
        self._one_at_a_time = asyncio.Lock()
        #: Goes up when the keys differ from before, so that what was verified with them is forgotten.
        self.generation = 0

    def age_s(self) -> float:
        """Seconds since the issuer last gave its keys; infinite where it never did."""
        return math.inf if self._loaded_at is None else self._seconds() - self._loaded_at

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
        except KeysUnusable:
            raise
        except Exception as error:  # whatever comes from outside, it ends no task
            raise KeysUnusable(f"{type(error).__name__} {error}".rstrip()) from error
        finally:
            # At the end: whoever comes meanwhile waits for this fetch.
            self._asked_at = self._seconds()
        self._loaded_at = self._asked_at
        if _identity(keys) != _identity(self._keys):
            self._keys = keys
            self.generation += 1

    async def _refresh_quietly(self) -> None:
        try:
            await self.refresh()
        except KeysUnusable as error:
            self._failed(error)

    async def keep_fresh(self) -> None:
        """Refresh for ever, in the background; at once where nothing was fetched yet."""
        while True:
            if self._asked_at is not None:
                await asyncio.sleep(REFRESH_S if self._asked_at == self._loaded_at else COOLDOWN_S)
            async with self._one_at_a_time:
                await self._refresh_quietly()


def _identity(keys: Mapping[str, VerificationKey]) -> dict[str, tuple[str, Any]]:
    return {
        kid: (key.algorithm, key.key.public_numbers() if hasattr(key.key, "public_numbers") else key.key)
        for kid, key in keys.items()
    }


@asynccontextmanager
async def open_keys(
    issuer: str, source: str | None, *, failed: Callable[[KeysUnusable], None] = lambda _: None
) -> AsyncIterator[Keys]:
    """The issuer's keys, kept fresh while the block runs: from a path or URL, or found by discovery where it is None.

    An issuer that is away is waited for in the background, and whoever asks for a key waits for the first fetch.
    Raises KeysUnusable for a file that cannot be used, and for a URL that is not https (http is taken on a loopback
    address alone).
    """
    if source is not None and "://" not in source:
        keys = Keys(from_file(Path(source)), failed=failed)
        await keys.refresh()
        async with _kept_fresh(keys):
            yield keys
        return
    if not is_safe(source or issuer):
        raise KeysUnusable(f"{source or issuer} must be an https URL without a password")
    async with httpx.AsyncClient(timeout=FETCH_S, follow_redirects=False) as client:
        fetch = from_discovery(client, issuer) if source is None else from_url(client, source)
        keys = Keys(fetch, failed=failed)
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
