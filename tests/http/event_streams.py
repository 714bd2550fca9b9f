"""A client of server-sent events that sees the bytes: the head, each block, and how the connection ends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.events.feeds import Event, blocks

PATIENCE_S = 50.0


class Cut(Exception):
    """The connection ended before the answer did."""


class EventStream:
    """One open answer. `ended` once it came to its proper end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._text = ""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.hello: Event
        self.retry_ms = 0

    async def begin(self, path: str, token: str, headers: dict[str, str], method: str) -> None:
        """Send the request, and read the head and the first block."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
        if self.status == 200 and method == "GET":
            retry, _, rest = (await self._chunk() or "").partition("\n")
            self.retry_ms = int(retry.removeprefix("retry: "))
            [self.hello] = blocks(rest)

    async def problem(self) -> Any:
        return json.loads(await self._reader.readexactly(int(self.headers["content-length"])))

    async def _chunk(self) -> str | None:
        """The next piece; None at the proper end. Raises Cut."""
        try:
            length = int(await self._reader.readuntil(b"\r\n"), 16)
            piece = await self._reader.readexactly(length + 2)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Cut from error
        return piece[:-2].decode() if length else None

    async def text(self) -> str | None:
        """The next block as it was sent; None at the proper end."""
        async with asyncio.timeout(PATIENCE_S):
            while "\n\n" not in self._text:
                piece = await self._chunk()
                if piece is None:
                    return None
                self._text += piece
        block, _, self._text = self._text.partition("\n\n")
        return block + "\n\n"

    async def event(self) -> Event | None:
        """The next change; None at the proper end."""
        while (text := await self.text()) is not None:
            [found] = blocks(text)
            if found.data is not None:
                return found
        return None

    async def change(self) -> Any:
        """The next change's data."""
        found = await self.event()
        assert found is not None, "the stream has ended"
        return found.data

    def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def streaming(
    url: str,
    token: str,
    *,
    path: str = "/v1/changes",
    last_id: str | None = None,
    receive_bytes: int | None = None,
    method: str = "GET",
) -> AsyncIterator[EventStream]:
    """A stream while the block runs. `receive_bytes` is the client's own buffer."""
    address = urlsplit(url)
    plug = socket.socket()
    if receive_bytes is not None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    plug.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(plug, (address.hostname, address.port))
    except BaseException:
        plug.close()
        raise
    reader, writer = await asyncio.open_connection(sock=plug, limit=receive_bytes or 2**16)
    stream = EventStream(reader, writer)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await stream.begin(path, token, {} if last_id is None else {"Last-Event-ID": last_id}, method)
        yield stream
    finally:
        stream.close()
