"""The demo's calls to the service: plain HTTP, as any web site or tool would make them (API face 1)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import msgspec

_TIMEOUT_S = 10.0
_READY_S = 10.0
_LOOK_AGAIN_S = 0.1
_LANGUAGE = "en"


class CallFailed(Exception):
    """The service did not answer, or refused; the text tells a person what it said."""


class Shown(msgspec.Struct, frozen=True):
    """What a person is shown of a purpose: the name in the current version's notice, and that version's number."""

    name: str
    version: int


class Recorded(msgspec.Struct, frozen=True):
    """The answer to decisions, in the order asked, and when it came (seconds of the performance counter)."""

    subject_id: UUID
    records: tuple[UUID, ...]
    statuses: tuple[str, ...]
    http_status: int
    asked_at: float
    answered_at: float


class Permission(msgspec.Struct, frozen=True):
    allowed: bool
    reason: str


class Client:
    """One service; `token` gives a bearer token for a controller."""

    def __init__(self, client: httpx.AsyncClient, token: Callable[[str], str]) -> None:
        self._client = client
        self._token = token
        self._tokens: dict[str, str] = {}

    async def until_ready(self) -> None:
        """Return once it can answer; a service that has just begun may not accept yet. Raises CallFailed."""
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                answer = await self._client.get("/readyz")
                if answer.status_code == 200:
                    return
                failure = f"/readyz answers {answer.status_code}"
            except httpx.HTTPError as error:
                failure = type(error).__name__
            if time.monotonic() > deadline:
                raise CallFailed(f"nothing is ready at {self._client.base_url} ({failure})")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def shown(self, controller: str, purpose: str) -> Shown:
        item = await self._ask(controller, "GET", f"/v1/purposes/{purpose}")
        return Shown(item["notices"][_LANGUAGE]["name"], item["version"])

    async def decide(
        self, controller: str, identifier: tuple[str, str], decisions: Sequence[tuple[str, str, int]]
    ) -> Recorded:
        """Record (purpose, command, version) for the person with that identifier, all or none."""
        kind, value = identifier
        body = {
            "subject": {"identifiers": [{"type": kind, "value": value}]},
            "decisions": [
                {
                    "purpose": purpose,
                    "command": command,
                    "version": version,
                    "language": _LANGUAGE,
                    "channel": "web",
                    "source": "demo",
                }
                for purpose, command, version in decisions
            ],
        }
        headers = self._headers(controller)
        asked_at = time.perf_counter()
        response = await self._send("POST", "/v1/decisions", json=body, headers=headers)
        answered_at = time.perf_counter()
        answer = _read(response)
        return Recorded(
            UUID(answer["subject_id"]),
            tuple(UUID(one["record"]["record_id"]) for one in answer["records"]),
            tuple(one["record"]["status"] for one in answer["records"]),
            response.status_code,
            asked_at,
            answered_at,
        )

    async def permission(self, controller: str, subject_id: UUID, purpose: str) -> Permission:
        answer = await self._ask(controller, "GET", f"/v1/subjects/{subject_id}/permissions/{purpose}")
        return Permission(answer["allowed"], answer["reason"])

    async def _ask(self, controller: str, method: str, path: str) -> Any:
        return _read(await self._send(method, path, headers=self._headers(controller)))

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise CallFailed(f"{method} {path}: no answer ({type(error).__name__})") from error

    def _headers(self, controller: str) -> dict[str, str]:
        if controller not in self._tokens:
            self._tokens[controller] = self._token(controller)
        return {"Authorization": f"Bearer {self._tokens[controller]}"}


@asynccontextmanager
async def open_client(url: str, token: Callable[[str], str]) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S) as client:
        yield Client(client, token)


def _read(response: httpx.Response) -> Any:
    """The body of a 2xx answer. Raises CallFailed with the problem's own words."""
    if response.is_success:
        return response.json()
    request = response.request
    try:
        problem = response.json()
        told = f"{problem['title']}: {problem.get('detail', '')}"
    except (ValueError, KeyError, TypeError):
        told = "no problem document"
    raise CallFailed(f"{request.method} {request.url.path}: {response.status_code}, {told}")
