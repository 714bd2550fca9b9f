"""Which person an identifier belongs to, remembered for a while: so many, so long, and never in clear."""

from __future__ import annotations

import secrets
import time
from hashlib import blake2b
from uuid import UUID

#: That somebody is not known may change at any moment.
ABSENT_S = 5.0


class Remembered:
    """The oldest is forgotten first."""

    def __init__(self, *, count_max: int, age_s: float) -> None:
        self._count_max = count_max
        self._age_s = age_s
        self._secret = secrets.token_bytes(32)
        self._held: dict[bytes, tuple[UUID | None, float]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, type_: str, value: str) -> tuple[UUID | None] | None:
        """The person, or None in the tuple for nobody; None where it has to be asked."""
        found = self._held.get(self._key(type_, value))
        if found is None or time.monotonic() >= found[1]:
            return None
        return (found[0],)

    def keep(self, type_: str, value: str, subject_id: UUID | None) -> None:
        key = self._key(type_, value)
        self._held.pop(key, None)
        while self._held and len(self._held) >= self._count_max:
            del self._held[next(iter(self._held))]
        if self._count_max:
            age_s = self._age_s if subject_id is not None else min(ABSENT_S, self._age_s)
            self._held[key] = subject_id, time.monotonic() + age_s

    def forget(self) -> None:
        """All of it: somebody's identifiers have changed."""
        self._held.clear()

    def _key(self, type_: str, value: str) -> bytes:
        return blake2b(f"{type_}\0{value}".encode(), key=self._secret, digest_size=16).digest()
