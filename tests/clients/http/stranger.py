"""What may answer in a service's place: a broken proxy, another program on the port, somebody who means harm."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Self

from consent_client import ConsentClient

from consent_service.embedded.ports import HOST


def answer(body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    """A whole answer; `more` are header lines, each with its end."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode("latin-1") + body


def events(body: bytes = b"") -> bytes:
    """The beginning of a stream of events, which ends with the connection."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body


class Stranger:
    """Says to each request the next of `says`, the last one for ever, whole or in pieces, and ends the connection.

    `kept`: connections stay open for further requests. `seen` are the heads of the requests.
    """

    def __init__(self, *says: bytes | Iterable[bytes], kept: bool = False) -> None:
        self.says = list(says)
        self.kept = kept
        self.seen: list[str] = []
        self.taken = 0
        """So many bytes of answers have gone out."""
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                self.seen.append(head)
                if "content-length: " in head:
                    await reader.readexactly(int(head.partition("content-length: ")[2].split("\r\n")[0]))
                said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
                for piece in [said] if isinstance(said, bytes) else said:
                    writer.write(piece)
                    await writer.drain()
                    self.taken += len(piece)
                if not self.kept:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def asking(
    stranger: Stranger, *, tries: int = 2, timeout_s: float = 5.0
) -> AsyncIterator[ConsentClient]:
    async with stranger, ConsentClient(stranger.url, "a.b.c", tries=tries, timeout_s=timeout_s) as client:
        yield client


def for_ever(*first: bytes, then: bytes) -> Iterator[bytes]:
    return itertools.chain(first, itertools.repeat(then))
