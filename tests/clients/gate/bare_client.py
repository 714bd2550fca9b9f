"""A client with what the gate needs, and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any

import httpx
import msgspec
from consent_client.errors import Refused, Unavailable
from consent_client.model import Change, State, Terms
from consent_client.words import Basis, Reason


class Page(msgspec.Struct, frozen=True):
    items: Sequence[State]
    resume: str


class Item(msgspec.Struct, frozen=True):
    purpose: str
    latest_version: int
    published_at: datetime
    terms: Sequence[Terms]


class BareClient:
    """While it is `away` nothing but the open stream gets through."""

    def __init__(self, client: httpx.AsyncClient, controller: str = "ansettr") -> None:
        self._client = client
        self._controller = controller
        self.away = False

    async def states(self) -> AsyncGenerator[Page, None]:
        query = {"limit": "2"}
        while True:
            page = await self._get("/v1/states", query)
            yield Page([self._state(item) for item in page["items"]], page["resume"])
            if page["next"] is None:
                return
            query["after"] = page["next"]

    async def changes(self, after: str | None = None) -> AsyncGenerator[tuple[str, Change | None], None]:
        while True:
            headers = {"Last-Event-ID": after} if after else {}
            async with self._client.stream("GET", "/v1/changes", headers=headers) as answer:
                if answer.status_code == 410:
                    raise Refused(410, "no-longer-kept", "Read the states.")
                block: dict[str, str] = {}
                async for line in answer.aiter_lines():
                    if line:
                        name, _, value = line.partition(": ")
                        block[name] = value
                    elif "id" in block:
                        after = block["id"]
                        yield after, self._change(json.loads(block["data"])) if "data" in block else None
                        block = {}
            await asyncio.sleep(0)

    async def purposes(self) -> Sequence[Item]:
        found = await self._get("/v1/purposes", {"limit": "1000"})
        return [
            Item(
                one["purpose"],
                one["latest_version"],
                datetime.fromisoformat(one["published_at"]),
                [_terms(terms) for terms in one["terms"]],
            )
            for one in found["items"]
        ]

    async def _get(self, path: str, query: dict[str, str]) -> Any:
        if self.away:
            raise Unavailable("The service is away.")
        answer = await self._client.get(path, params=query)
        if answer.status_code != 200:
            raise Unavailable(answer.text)
        return answer.json()

    def _state(self, item: Any) -> State:
        permission = item.pop("permission")
        fields = {**item, **permission, "standing_version": item["version"], "status": item["status"]}
        absent = dict.fromkeys(("recorded_at", "effective_at"))
        fields = {"controller": self._controller, "legal_bases": (), **absent, **fields}
        return msgspec.convert(fields, State)

    def _change(self, data: Any) -> Change:
        permission = data.pop("permission")
        return msgspec.convert(
            {**permission, **data, "standing_version": permission["version"], "status": data["status"]},
            Change,
        )


def _terms(told: Any) -> Terms:
    return Terms(
        version=told["version"],
        effective_from=datetime.fromisoformat(told["effective_from"]),
        legal_bases=tuple(Basis(basis) for basis in told["legal_bases"]),
        default_allowed=told["default_allowed"],
        default_reason=Reason(told["default_reason"]),
        oldest_valid_version=told["oldest_valid_version"],
        retired=told["retired"],
        renew_after=told["renew_after"],
        recipients=tuple((one["slug"], one["deadline"]) for one in told["recipients"]),
    )
