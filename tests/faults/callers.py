"""A caller that sees what happens to its connection: an answer, a refusal to connect, or a connection that breaks."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import msgspec

#: Nobody may wait longer for an answer, whatever is wrong with the engines.
ANSWER_S_MAX = 15.0


class Refused(Exception):
    """Nobody listens."""


class Broken(Exception):
    """The connection ended before an answer came."""


class Stuck(Exception):
    """No answer within ANSWER_S_MAX."""


class Answer(msgspec.Struct, frozen=True):
    """What came back. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def replayed(self) -> bool:
        return self.headers.get("idempotency-replayed") == "true"


class Caller:
    """One client with one connection, opened when it is needed and kept as long as the service keeps it.

    `patience_s`: behind a bad network a client gives up by itself after so long, and that is nobody's fault.
    """

    def __init__(self, url: str, token: str, patience_s: float | None = None) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 0
        self._token = token
        self._patience_s = patience_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, content: Any = None, key: str | None = None) -> Answer:
        """One request. Raises Refused, Broken, Stuck."""
        body = b"" if content is None else json.dumps(content).encode()
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            f"Authorization: Bearer {self._token}",
            f"Content-Length: {len(body)}",
            *(["Content-Type: application/json"] if body else []),
            *([] if key is None else [f"Idempotency-Key: {key}"]),
        ]
        request = "\r\n".join([*lines, "", ""]).encode() + body
        try:
            async with asyncio.timeout(self._patience_s or ANSWER_S_MAX):
                return await self._exchange(request)
        except TimeoutError:
            self.close()
            if self._patience_s is not None:
                raise Broken from None
            raise Stuck(f"{method} {path}: no answer within {ANSWER_S_MAX:.0f} s") from None

    async def connect(self) -> None:
        """Open the connection now. Raises Refused."""
        try:
            self._streams = await asyncio.open_connection(self._host, self._port)
        except ConnectionError as error:
            raise Refused from error

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            await self.connect()
        assert self._streams is not None
        reader, writer = self._streams
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
            }
            body = await reader.readexactly(int(headers["content-length"]))
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Broken from error
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(head[0].split()[1]), headers, body)
