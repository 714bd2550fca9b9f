"""What stands between a client and the service in most houses: it may be overloaded, or lose an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from consent_service.embedded.ports import HOST


class Seen(msgspec.Struct, frozen=True):
    """A request as it came by. Header names are in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes
    at: float


class Gateway:
    """Before a service's port. `answers` are its own, one for each of the next requests, before it passes on any.

    An answer is its first line and headers, like `503 Busy\\nRetry-After: 1`. `lose` passes the next requests on and
    closes the connection instead of bringing the answer.
    """

    def __init__(self, port: int) -> None:
        self.seen: list[Seen] = []
        self.answers: list[str] = []
        self.lose = 0
        self.happened: Callable[[], None] = lambda: None
        self._port = port
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")[:-2]
            headers = dict(line.lower().split(": ", 1) for line in lines)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = first.split()
            at = asyncio.get_running_loop().time()
            self.seen.append(Seen(f"{method} {path}", headers, body, at))
            self.happened()
            if self.answers:
                told = self.answers.pop(0).replace("\n", "\r\n")
                writer.write(f"HTTP/1.1 {told}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
            else:
                await self._pass_on(head, body, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _pass_on(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        answer, service = await asyncio.open_connection(HOST, self._port)
        service.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + body)
        lost = self.lose > 0
        self.lose -= lost
        try:
            while chunk := await answer.read(65_536):
                if not lost:
                    writer.write(chunk)
                    await writer.drain()
        finally:
            service.close()
