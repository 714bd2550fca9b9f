"""Serving the application on uvicorn inside our own event loop, with a start and an end that can be trusted.

uvicorn alone re-raises signals, cuts clients between two requests at the end, and knows no limit for a request's
head; what is added here is small and tested (docs/decisions: the server).
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from consent_service.http.trace import ABORT

HEAD_BYTES_MAX = 64 * 1024
HEAD_S_MAX = 10.0
BACKLOG = 2048
"""Connections that may wait to be accepted."""
OPEN_FILES = 65_536
DRAIN_S = 0.5
"""How long clients on open connections get one more answer, which tells them to close."""
CANCEL_S = 5.0
HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


class Gathering:
    """A transport that writes at once what one step of the event loop brings.

    uvloop writes as soon as it is told to: an answer's head and body would be two system calls and two packets.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's own."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write what waits. Nothing happens where the other side has gone."""
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class BoundedHead(HttpToolsProtocol):
    """Closes a connection whose request head is larger than HEAD_BYTES_MAX or slower than HEAD_S_MAX.

    The parser itself has no limit for either.
    """

    head_open = True
    head_bytes = 0
    head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]
        self.head_timer = self.loop.call_later(HEAD_S_MAX, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        # The loop closes its transport now, without asking ours.
        self.transport.flush()  # type: ignore[attr-defined]

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[ABORT] = self.transport.abort  # type: ignore[literal-required]
        self.head_open = True
        self.head_bytes = 0

    def on_headers_complete(self) -> None:
        self.head_open = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.head_open or self.transport.is_closing():
            self._stop_timer()
            return
        if self.head_timer is None:
            self.head_timer = self.loop.call_later(HEAD_S_MAX, self.transport.close)
        self.head_bytes += len(data)
        if self.head_bytes > HEAD_BYTES_MAX:
            self.transport.write(HEAD_TOO_LARGE)
            self.transport.close()

    def _stop_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers (the process has one owner), with a call when it accepts."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # uvicorn would now cut connections that are between two requests, though the next one may be under way:
        # let active clients get one more answer, which tells them to close.
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        until = asyncio.get_running_loop().time() + DRAIN_S
        # uvicorn tells nobody when a connection ends, so this looks.
        while self.server_state.connections and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError when the port is taken.

    It listens here already: two processes may bind one port until the first of them listens, and uvloop says nothing
    when its own attempt to listen fails.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, so that asyncio's own loop too sets TCP_NODELAY on its connections.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


def allow_connections() -> None:
    """Streams stay open by the thousand; the usual limit of open files is about that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, OPEN_FILES), hard))


async def serve(
    app: Any, bound: socket.socket, stop: asyncio.Event, ready: Callable[[], None], grace_s: int
) -> None:
    """Serve until `stop` is set; then refuse new connections, finish requests for at most `grace_s`, return."""
    config = uvicorn.Config(
        app,
        http=BoundedHead,
        ws="none",
        lifespan="off",
        interface="asgi3",
        loop="none",
        workers=1,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=grace_s,
    )
    server = Server(config, ready)
    allow_connections()

    async def pass_on_stop() -> None:
        await stop.wait()
        server.should_exit = True

    watcher = asyncio.create_task(pass_on_stop())
    try:
        await server.serve(sockets=[bound])
    finally:
        watcher.cancel()
        # uvicorn cancels late handlers without awaiting them, and leaves their connections open.
        for task in server.server_state.tasks:
            if not task.cancelling():
                task.cancel()
        if server.server_state.tasks:
            await asyncio.wait(list(server.server_state.tasks), timeout=CANCEL_S)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
