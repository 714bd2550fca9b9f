"""A process at work in a world of its own, asked without a socket, and a superuser's eye on its rows."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import asyncpg
import httpx

from consent_service.domain.api_keys import SECRET_LENGTH, ApiKeyName, write_api_key
from tests.http.issuers import Issuer
from tests.storage.test_row_level_security import TABLES
from tests.tenancy.asked import Request
from tests.usecases.recording import Clock

#: In every order that rows may come in, there are others' before the stranger's and behind.
OWNER, STRANGER, BYSTANDER = "ansettr", "sonh", "zeta"
OTHERS = f"controller <> '{STRANGER}'"
#: An entry of every other controller's audit, and of none of the stranger's.
OTHERS_ENTRY = UUID("00000000-0000-7000-8000-00000000beef")
#: Everybody comes from a network of their own.
ADDRESSES = {OWNER: "192.0.2.1", STRANGER: "198.51.100.1"}
ROWS = " union all ".join(f"select '{table}', controller, {table}::text from {table}" for table in TABLES)
UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass
class World:
    """A process at work on one of the two, and a superuser's eye on its rows."""

    app: Any
    issuer: Issuer
    rows: asyncpg.Connection
    clock: Clock
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(self, controller: str, request: Request, at: datetime | None = None) -> httpx.Response:
        """At that moment, or when it is."""
        self.clock.moment = at or self.clock.moment
        headers = dict(request.headers)
        if not request.path.startswith("/site/"):
            headers["authorization"] = f"Bearer {self._bearer(controller, request)}"
        if request.body is not None:
            headers["content-type"] = "application/json"
        address = ADDRESSES[controller]
        return await call(self.app, request.method, request.path, headers, request.body or "", address)

    def _bearer(self, controller: str, request: Request) -> str:
        if request.key_of is not None:
            return key_text(controller, request.key_of)
        claims: dict[str, Any] = {"controller": controller, **request.claims}
        name = json.dumps(claims)
        if name not in self.tokens:
            self.tokens[name] = self.issuer.sign(**claims)
        return self.tokens[name]

    async def says(self, controller: str, method: str, path: str, body: Any = None, **claims: str) -> Any:
        """What somebody does in good order; the answer's JSON."""
        text = None if body is None else json.dumps(body)
        answer = await self.ask(controller, Request("", method, path, text, dict(claims), {}))
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json()

    async def others(self) -> list[tuple[str, str]]:
        """Every row of every other controller, as (table, text)."""
        found = await self.rows.fetch(
            f"select * from ({ROWS}) as t (name, controller, row) where {OTHERS} order by 1, 3"
        )
        return [(row[0], row[2]) for row in found]

    async def ids(self, whose: str) -> set[str]:
        """Every UUID in the rows of these controllers, which a condition tells."""
        found = await self.rows.fetch(f"select row from ({ROWS}) as t (name, controller, row) where {whose}")
        return {one for row in found for one in UUIDS.findall(row[0])}


def key_name(holder: str) -> ApiKeyName:
    """Which API key is this controller's."""
    return ApiKeyName(holder, f"{holder:0<12}")


def key_text(holder: str, named: str) -> str:
    """The text of the holder's API key, were it a key of the controller that is named."""
    name = ApiKeyName(named, key_name(holder).key_id)
    return write_api_key(name, f"{holder:0<{SECRET_LENGTH}}")


async def call(
    app: Any, method: str, target: str, headers: Mapping[str, str], body: str, address: str
) -> httpx.Response:
    """An application's answer. A stream is left at its second sign of life: all that there was has been sent by then."""
    incoming = [{"type": "http.request", "body": body.encode(), "more_body": False}]
    sent: list[Any] = []
    enough = asyncio.Event()

    async def receive() -> Any:
        if incoming:
            return incoming.pop()
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if b"".join(one.get("body", b"") for one in sent).count(b": heartbeat") > 1:
            enough.set()

    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": (address, 50000),
    }
    async with asyncio.timeout(20):
        await app(scope, receive, send)
    start, *parts = sent
    content = b"".join(part.get("body", b"") for part in parts)
    return httpx.Response(start["status"], headers=start["headers"], content=content)
