"""Token issuers with real keys: one that signs, and an OpenID provider that is reached over HTTP on this machine."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from ssl import SSLContext
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from consent_service.http import issuers
from consent_service.http.auth import Tokens
from consent_service.http.documents import WELL_KNOWN
from consent_service.http.issuers import Trust
from consent_service.http.keys import Keys
from consent_service.http.scopes import SCOPES
from consent_service.usecases import clock

ISSUER = "https://issuer.example"
AUDIENCE = "consent-service"
_ALGORITHMS: dict[str, Any] = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}


class Issuer:
    """Signs tokens with one key of each kind; `key_set` is what it publishes."""

    def __init__(self, name: str = ISSUER) -> None:
        self.name = name
        self.private: dict[str, Any] = {
            "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
        }
        self.algorithms = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}

    def public_jwk(self, kid: str) -> dict[str, Any]:
        algorithm = self.algorithms[kid]
        maker = _ALGORITHMS.get(algorithm, jwt.algorithms.OKPAlgorithm)
        jwk: dict[str, Any] = json.loads(maker.to_jwk(self.private[kid].public_key()))
        return {**jwk, "kid": kid, "use": "sig"}

    def key_set(self, kids: Iterable[str] = ("rsa", "ec", "ed")) -> bytes:
        return json.dumps({"keys": [self.public_jwk(kid) for kid in kids]}).encode()

    async def keys(self) -> Keys:
        """The published keys, loaded."""

        async def fetch() -> bytes:
            return self.key_set()

        keys = Keys(fetch)
        await keys.refresh()
        return keys

    async def believed(self, **trust: Any) -> issuers.Issuer:
        """As the service knows it, its keys loaded."""
        return issuers.Issuer(Trust(self.name, AUDIENCE, **trust), await self.keys())

    def sign(self, kid: str = "ed", header: dict[str, Any] | None = None, **changed: Any) -> str:
        """A token of controller `ansettr` with every scope; a claim that is changed to None is left out."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.name,
            "aud": AUDIENCE,
            "exp": now + 600,
            "iat": now,
            "sub": "web-shop",
            "controller": "ansettr",
            "scope": " ".join(SCOPES),
            **changed,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        headers = {"kid": kid, "typ": "at+jwt", **(header or {})}
        # Not the library's way for claims, which refuses some that must be refused here.
        payload = json.dumps(claims).encode()
        return jwt.api_jws.encode(payload, self.private[kid], self.algorithms[kid], headers)

    def bearer(self, kid: str = "ed", **changed: Any) -> bytes:
        """The header's value with such a token."""
        return f"Bearer {self.sign(kid, **changed)}".encode()


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def nobody_is_unknown(controller: str) -> None:
    """A catalogue that has every controller."""


def tokens_of(
    *believed: issuers.Issuer,
    check_controller: Callable[[str], Awaitable[object]] = nobody_is_unknown,
    now: Callable[[], datetime] = clock.now,
) -> Tokens:
    return Tokens(believed, check_controller=check_controller, now=now)


def http_answer(body: bytes, status: int = 200, head: str = "") -> bytes:
    """A whole answer; `head` are lines that each end in CR LF."""
    length = f"content-length: {len(body)}\r\n"
    return f"HTTP/1.1 {status} Told\r\n{length}{head}connection: close\r\n\r\n".encode() + body


class Provider:
    """An OpenID provider: describes itself, and publishes the keys `kids` of `issuer`, over HTTP on loopback.

    `asked` counts requests by path and `arrivals` tells of each; `answers` are bytes that take the place of an answer,
    on the paths of `never_ends` without an end. `url` is its name, also where it stops and runs again.
    """

    def __init__(self, place: str = "", tls: SSLContext | None = None) -> None:
        self.issuer = Issuer()
        self.kids: Sequence[str] = ("ed",)
        self.asked: Counter[str] = Counter()
        self.arrivals: asyncio.Queue[str] = asyncio.Queue()
        self.answers: dict[str, bytes] = {}
        self.never_ends: set[str] = set()
        self.url = ""
        self._place = place
        self._tls = tls
        self._port = 0
        self._over = asyncio.Event()

    @property
    def jwks_uri(self) -> str:
        return f"{self.origin}/keys"

    @property
    def origin(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self._port}"

    def describe(self, **changed: Any) -> None:
        """From now on with these members; one that is changed to None is left out."""
        told = {"issuer": self.issuer.name, "jwks_uri": self.jwks_uri, "grant_types_supported": [], **changed}
        self.answers[WELL_KNOWN] = http_answer(
            json.dumps({name: value for name, value in told.items() if value is not None}).encode()
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Provider]:
        self._over.clear()
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._tls)
        self._port = server.sockets[0].getsockname()[1]
        self.url = self.issuer.name = f"{self.origin}{self._place}"
        self.describe()
        async with server:
            try:
                yield self
            finally:
                self._over.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        path = request.split(b" ")[1].decode().removeprefix(self._place)
        self.asked[path] += 1
        self.arrivals.put_nowait(path)
        writer.write(self.answers.get(path) or self._answer(path))
        await writer.drain()
        if path in self.never_ends:
            await self._over.wait()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def _answer(self, path: str) -> bytes:
        return http_answer(self.issuer.key_set(self.kids)) if path == "/keys" else http_answer(b"", 404)
