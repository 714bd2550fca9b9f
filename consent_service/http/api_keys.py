"""API keys as bearers: looked up once in some seconds, refused without a look where their text is not whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from consent_service.domain.api_keys import LENGTH_MAX, ApiKey, ApiKeyName, hash_api_key, read_api_key
from consent_service.domain.errors import Overloaded
from consent_service.http.auth import Principal
from consent_service.http.refusals import TokenRefused
from consent_service.usecases.api_keys import ApiKeys
from consent_service.usecases.submissions import Caller

#: How long a key is believed, or refused, without asking the database: a revocation is heard of by then.
REMEMBERED_S = 10.0
REMEMBERED_MAX = 4096
#: A stream that a key opened ends by then, and is opened anew: who has a revoked key follows nothing for longer.
STREAM_S = 900.0
#: Keys that are looked up at the same time: what strangers make up, with a good checksum, never fills the pool.
LOOK_UPS_MAX = 4
WAITING_MAX = 1000

Kept = TypeVar("Kept")


class _Memory(Generic[Kept]):
    """The newest REMEMBERED_MAX, each for REMEMBERED_S."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._kept: dict[bytes, tuple[Kept, float]] = {}

    def recall(self, digest: bytes) -> Kept | None:
        kept = self._kept.get(digest)
        return None if kept is None or self._seconds() >= kept[1] else kept[0]

    def has(self, digest: bytes) -> bool:
        """Whether it is among the newest, also where it counts no more."""
        return digest in self._kept

    def keep(self, digest: bytes, what: Kept) -> None:
        self._kept.pop(digest, None)
        while len(self._kept) >= REMEMBERED_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[digest] = (what, self._seconds() + REMEMBERED_S)


class PresentedKeys:
    """Tells who a presented key speaks for. Refused ones are remembered apart: they push no good one out."""

    def __init__(
        self,
        api_keys: ApiKeys,
        *,
        now: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api_keys = api_keys
        self._now = now
        self._believed: _Memory[Principal] = _Memory(seconds)
        self._refused: _Memory[str] = _Memory(seconds)
        self._looking_up = asyncio.Semaphore(LOOK_UPS_MAX)
        self._waiting = 0

    async def principal(self, presented: bytes) -> Principal:
        """Raises TokenRefused (401), Unavailable without the database, Overloaded."""
        if len(presented) > LENGTH_MAX:
            raise _not_whole()
        text = presented.decode("ascii")
        digest = hash_api_key(text)
        known = self._recall(digest)
        if known is not None:
            return known
        name = read_api_key(text)
        if name is None:
            raise _not_whole()
        if self._waiting >= WAITING_MAX:
            raise Overloaded("Too many API keys wait to be looked up. Try again.")
        self._waiting += 1
        try:
            async with self._looking_up:
                # Of those that came with one key at once, the first has asked for all.
                return self._recall(digest) or await self._look_up(name, digest)
        finally:
            self._waiting -= 1

    def is_familiar(self, presented: bytes) -> bool:
        """Whether the key let somebody in before, however long ago. It costs no more than it did then."""
        return len(presented) <= LENGTH_MAX and self._believed.has(hash_api_key(presented.decode("ascii")))

    def _recall(self, digest: bytes) -> Principal | None:
        why = self._refused.recall(digest)
        if why is not None:
            raise TokenRefused(why)
        known = self._believed.recall(digest)
        return known if known is not None and self._now().timestamp() < known.expires_at else None

    async def _look_up(self, name: ApiKeyName, digest: bytes) -> Principal:
        key = await self._api_keys.find(name, digest)
        now = self._now()
        why = _why_not(key, now)
        if why is not None:
            self._refused.keep(digest, why)
            raise TokenRefused(why)
        assert key is not None
        self._api_keys.note_use(key)
        principal = _principal(key, now)
        self._believed.keep(digest, principal)
        return principal


def _why_not(key: ApiKey | None, now: datetime) -> str | None:
    """What became of a key is told to its holder alone: to others a wrong secret and no such key are the same."""
    if key is None:
        return "The API key is not known here."
    if key.revoked_at is not None:
        return "The API key was revoked."
    if key.expires_at <= now:
        return "The API key has expired."
    return None


def _not_whole() -> TokenRefused:
    return TokenRefused("This is no whole API key: a part is missing, or a character is wrong.")


def _principal(key: ApiKey, now: datetime) -> Principal:
    caller = Caller(
        controller=key.controller,
        subject=f"key:{key.key_id}",
        purposes=None if key.purposes is None else frozenset(key.purposes),
        recipient=key.recipient,
    )
    expires_at = min(key.expires_at.timestamp(), now.timestamp() + STREAM_S)
    return Principal(caller=caller, scopes=frozenset(key.scopes), expires_at=expires_at)
