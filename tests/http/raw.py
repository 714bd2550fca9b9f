"""A client that sends bytes as they are, and reads what comes back until the server ends the connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

#: Longer than the server lets a request take.
PATIENCE_S = 50.0


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> Any:
        assert self.headers["content-type"] == "application/problem+json", self
        return json.loads(self.body)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def talk(url: str, pieces: bytes | Iterable[bytes]) -> list[Answer]:
    """Send the pieces, and read all answers to the connection's end, which the server makes within PATIENCE_S."""
    async with connected(url) as (reader, writer):
        with contextlib.suppress(OSError):
            for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                writer.write(piece)
                await writer.drain()
                # So that the server sees a piece of its own.
                await asyncio.sleep(0)
        return await answers(reader)


async def answers(reader: asyncio.StreamReader) -> list[Answer]:
    """All that come until the server ends the connection."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await next_answer(reader)) is not None:
            found.append(answer)
    return found


async def next_answer(reader: asyncio.StreamReader) -> Answer | None:
    """None where the connection has ended; it may not end within an answer."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return None
    except ConnectionError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    version, status, _ = first.split(" ", 2)
    assert version == "HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert len(headers) == len(lines), f"a header came twice: {lines}"
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(status), headers, body)
