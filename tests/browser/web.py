"""Small web servers of the tests' own, at real addresses: a site's pages, and the servers of the tags on them."""

from __future__ import annotations

import asyncio
import mimetypes
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from consent_service.http.server import listen, serve

PATIENCE_S = 30.0
#: Browsers ask for it by themselves.
ICON = "/favicon.ico"


class Web:
    """Serves pages given as text, and files of folders; counts what is asked of it, by path without the query.

    `origin` names it by its address, `other_origin` by the name localhost: two sites to a browser, both trusted to be
    secure. Everything is sent with `Cache-Control: no-store` unless told otherwise.
    """

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.other_origin = f"http://localhost:{port}"
        self.asked: Counter[str] = Counter()
        #: Each request's path with its query, in the order of arrival.
        self.requests: list[str] = []
        self._answers: dict[str, tuple[bytes, dict[str, str]]] = {}
        self._folders: dict[str, Path] = {}
        self._heard = asyncio.Condition()

    def page(self, path: str, html: str, **headers: str) -> str:
        """Serve this document there from now on, and return its address. `Header_name="..."` goes along."""
        return self.put(path, html.encode(), "text/html; charset=utf-8", **headers)

    def script(self, path: str, javascript: str, **headers: str) -> str:
        return self.put(path, javascript.encode(), "text/javascript; charset=utf-8", **headers)

    def put(self, path: str, content: bytes, content_type: str, **headers: str) -> str:
        told = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        self._answers[path] = content, {"content-type": content_type, "cache-control": "no-store", **told}
        return self.origin + path

    def folder(self, prefix: str, folder: Path) -> None:
        """Serve the folder's files under the prefix, which ends with a slash."""
        self._folders[prefix] = folder

    def forget(self) -> None:
        """Count from nothing again."""
        self.asked.clear()
        self.requests.clear()

    async def was_asked(self, path: str, times: int = 1, limit_s: float = PATIENCE_S) -> None:
        """Return as soon as the path was asked for that often. Raises TimeoutError."""
        async with asyncio.timeout(limit_s), self._heard:
            await self._heard.wait_for(lambda: self.asked[path] >= times)

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        if path in self._answers:
            return (200, *self._answers[path])
        for prefix, folder in self._folders.items():
            file = folder / path.removeprefix(prefix)
            if path.startswith(prefix) and file.is_file() and ".." not in path:
                return 200, file.read_bytes(), _of_file(file)
        return 404, b"", {"cache-control": "no-store"}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path, query = scope["path"], scope["query_string"].decode()
        if path != ICON:
            async with self._heard:
                self.asked[path] += 1
                self.requests.append(f"{path}?{query}" if query else path)
                self._heard.notify_all()
        status, content, headers = self.answer(path)
        # A tag is asked for by pages of any site.
        sent = {"access-control-allow-origin": "*", "content-length": str(len(content)), **headers}
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})


class TagServer(Web):
    """A stand-in for somebody's tags: whatever is asked for is there, and is counted.

    `/anything.js` is a script that asks for `/anything.hit`, and each other path an empty picture. So what a browser
    fetched and what it ran can be told apart.
    """

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        status, content, headers = super().answer(path)
        if status == 200:
            return status, content, headers
        if path.endswith(".js"):
            hit = f"{self.origin}{path.removesuffix('.js')}.hit"
            running = f"fetch({hit!r}, {{mode: 'no-cors', keepalive: true}})"
            return 200, running.encode(), {"content-type": "text/javascript", "cache-control": "no-store"}
        return 200, b"<svg xmlns='http://www.w3.org/2000/svg'/>", _PICTURE


_PICTURE = {"content-type": "image/svg+xml", "cache-control": "no-store"}


def _of_file(file: Path) -> dict[str, str]:
    kind = "text/javascript" if file.suffix == ".mjs" else mimetypes.guess_type(file.name)[0]
    return {"content-type": kind or "application/octet-stream", "cache-control": "no-store"}


@asynccontextmanager
async def web_server(kind: type[Web] = Web) -> AsyncIterator[Any]:
    """One of these while the block runs."""
    stop, ready = asyncio.Event(), asyncio.Event()
    bound = listen("127.0.0.1", 0)
    web = kind(bound.getsockname()[1])
    serving = asyncio.create_task(serve(web, bound, stop, ready.set, 1))
    await ready.wait()
    try:
        yield web
    finally:
        stop.set()
        await serving
