"""A token issuer with real keys, and one that serves its key set over HTTP on this machine."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from consent_service.http.keys import Keys
from consent_service.http.scopes import SCOPES

ISSUER = "https://issuer.example"
AUDIENCE = "consent-service"
_ALGORITHMS: dict[str, Any] = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}


class Issuer:
    """Signs tokens with one key of each kind; `key_set` is what it publishes."""

    def __init__(self) -> None:
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

    def sign(self, kid: str = "ed", header: dict[str, Any] | None = None, **changed: Any) -> str:
        """A token of controller `ansettr` with every scope; a claim that is changed to None is left out."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
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
        return jwt.encode(claims, self.private[kid], algorithm=self.algorithms[kid], headers=headers)


class KeyServer:
    """Answers every request with `document` and `status`, but `/moved` with 200; `asked` counts them."""

    def __init__(self) -> None:
        self.document = b"{}"
        self.status = 200
        self.headers = ""
        self.asked = 0
        self.url = ""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        status = 200 if request.startswith(b"GET /moved ") else self.status
        head = f"HTTP/1.1 {status} Told\r\ncontent-length: {len(self.document)}\r\n{self.headers}"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + self.document)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[KeyServer]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
        async with server:
            yield self
