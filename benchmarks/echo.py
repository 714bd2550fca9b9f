"""A bare ASGI echo on the service's own HTTP server: what is left when nothing is done. `python -m benchmarks.echo`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from consent_service.cli.serve import run_until_stopped
from consent_service.http.server import listen, serve

GRACE_S = 1


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Sends the body back."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def main(stop: asyncio.Event) -> None:
    """Says where it serves as the service does, and serves until SIGTERM."""
    bound = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    await serve(echo, bound, stop, lambda: print(f"serving url={url}", file=sys.stderr, flush=True), GRACE_S)


if __name__ == "__main__":
    sys.exit(run_until_stopped(main))
