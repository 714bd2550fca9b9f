"""Serving the application on uvicorn inside our own event loop, with a start and an end that can be trusted.

uvicorn alone re-raises signals and cuts clients between two requests at the end; what is added here and in
`http/connection.py` is small and tested (docs/decisions/0001).
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from consent_service.http.connection import BoundedRequests

BACKLOG = 2048
"""Connections that may wait to be accepted."""
OPEN_FILES = 65_536
DRAIN_S = 0.5
"""How long clients on open connections get one more answer, which tells them to close."""
CANCEL_S = 5.0


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
        http=BoundedRequests,
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
