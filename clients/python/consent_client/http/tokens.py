"""Bearer tokens: asked for once, kept until shortly before they end, and asked for anew where one is refused."""

from __future__ import annotations

import asyncio
import base64
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from consent_client import clock

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token or API key, or a function that gives one; where that is not asynchronous, a thread calls it: it may wait."""

_API_KEY = "consent_"
#: How long before its end a token is no longer used, in seconds.
_MARGIN_S = 30.0
#: The end of the year 9999, in Unix seconds.
_LATEST_S = 253_402_300_799


class Tokens:
    """The token of one client."""

    def __init__(self, source: Token) -> None:
        self._source = source
        self._held: str | None = None
        self._ends_at: float | None = None
        self._asking = asyncio.Lock()

    @property
    def renewable(self) -> bool:
        return not isinstance(self._source, str)

    async def token(self, *, refused: str | None = None) -> str:
        """The token to use now, another one than `refused` where the source has one."""
        async with self._asking:
            if self._held is None or self._held == refused or self._is_over():
                self._held = await self._ask()
                self._ends_at = _moment_s(claims(self._held).get("exp"))
            return self._held

    def _is_over(self) -> bool:
        return self._ends_at is not None and clock.now().timestamp() >= self._ends_at - _MARGIN_S

    async def _ask(self) -> str:
        source = self._source
        if isinstance(source, str):
            return source
        given: str | Awaitable[str]
        given = source() if inspect.iscoroutinefunction(source) else await asyncio.to_thread(source)
        return await given if inspect.isawaitable(given) else given


def claims(token: str) -> dict[str, Any]:
    """What a token says of itself, not verified: that is the service's part. Empty where it says nothing.

    An API key, `consent_<controller>_...`, names its controller.
    """
    if token.startswith(_API_KEY):
        return {"controller": token.removeprefix(_API_KEY).partition("_")[0]}
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (ValueError, RecursionError):
        return {}


def _moment_s(value: object) -> float | None:
    """Unix seconds; None where it is no time."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LATEST_S:
        return None
    return float(value)
