"""API keys made by an operator, for tests that present them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from consent_service.domain.api_keys import ApiKey
from consent_service.domain.durations import parse_duration
from consent_service.http.scopes import SCOPES
from consent_service.usecases import clock
from consent_service.usecases.api_keys import WantedKey, make_api_key, revoke
from consent_service.usecases.submissions import Caller
from tests.databases import TestDatabase
from tests.events.streams import opened

#: But for acknowledgements, which need a recipient.
MOST = tuple(scope for scope in SCOPES if scope != "acknowledgements:write")


async def make(
    database: TestDatabase,
    *,
    controller: str = "ansettr",
    scopes: tuple[str, ...] = MOST,
    lifetime: str = "P1D",
    now: datetime | None = None,
    **wanted: Any,
) -> tuple[ApiKey, str]:
    """A key, and its text."""
    asked = WantedKey(name="sync", scopes=scopes, lifetime=parse_duration(lifetime), **wanted)
    async with opened(database, "consent_owner") as owner:
        return await make_api_key(owner, Caller(controller, "operator"), asked, now=now or clock.now())


async def take_back(database: TestDatabase, key: ApiKey) -> None:
    async with opened(database, "consent_owner") as owner:
        await revoke(owner, Caller(key.controller, "operator"), key.key_id, now=clock.now())
