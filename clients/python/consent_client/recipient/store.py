"""What a recipient keeps between two events, and where: one Protocol, in memory, in SQLite and in PostgreSQL.

`subject` is the message's key as text, the subject's id. `open` says whose it is: several recipients may share one
store, and so may all members of a group. Each method raises Unavailable where the store cannot be reached, is locked
or full; then nothing of the call is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Protocol

import msgspec

from consent_client.model import Acknowledgement

Pair = tuple[str, str]
"""A subject and a purpose."""


class Told(msgspec.Struct, frozen=True):
    """A message of the changes topic as it came, so that it can be read again later."""

    subject: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """The last change that was acted on for a pair, and the word about it; the word is None where none is owed."""

    subject: str
    purpose: str
    partition: int
    ledger_epoch: int
    sequence: int
    word: Acknowledgement | None

    @property
    def place(self) -> tuple[int, int]:
        return self.ledger_epoch, self.sequence


class Parked(msgspec.Struct, frozen=True):
    """An event that waits. `place` orders those of one subject; `released` by an operator: dropped, not tried again."""

    place: int
    told: Told
    tries: int
    released: bool


class SealedRecord(msgspec.Struct, frozen=True):
    """The recipient's own record of a subject, sealed; `subject_hash` tells nothing without the key `key_id`."""

    subject_hash: bytes
    key_id: str
    sealed: bytes


class Store(Protocol):
    """`durable`: what is parked survives this process, so that progress on the topic need not wait for it."""

    @property
    def durable(self) -> bool: ...

    async def open(self, owner: str) -> None:
        """`owner` is `<controller>/<recipient>`."""

    async def close(self) -> None: ...

    async def settled(self, subjects: Collection[str]) -> Mapping[Pair, Settled]:
        """What was acted on for these subjects."""

    async def settle(self, acts: Sequence[Settled]) -> None:
        """All of them or none; one that is not above what is kept for its pair changes nothing."""

    async def settled_in(self, partition: int) -> Sequence[Settled]:
        """Everything that was acted on for the subjects of one partition."""

    async def park(self, told: Told, *, tries: int = 0, retry_at: datetime | None = None) -> bool:
        """Behind what waits of the subject. False where the same message waits already, which stays as it is."""

    async def parked(self, subject: str, limit: int) -> Sequence[Parked]:
        """The first that wait of a subject, in the order in which they came."""

    async def delay(self, place: int, retry_at: datetime) -> None:
        """One more try has failed."""

    async def unpark(self, place: int) -> None: ...

    async def waiting(self, partitions: Collection[int] | None) -> Collection[str]:
        """The subjects of these partitions, or of all, that have something parked."""

    async def due(self, partitions: Collection[int], now: datetime, limit: int) -> Collection[str]:
        """Those of them whose first parked event may be tried again, or was released."""

    async def hurry(self, subject: str, now: datetime, *, release: bool) -> bool:
        """The first parked event of a subject is due now; with `release` it is to be dropped. False: there is none."""

    async def epochs(self) -> Mapping[int, int]:
        """The ledger epoch that each partition was read under, where one is known."""

    async def set_epoch(self, partition: int, ledger_epoch: int) -> None: ...

    async def read_record(self, hashes: Collection[bytes]) -> SealedRecord | None:
        """The recipient's own record under one of these hashes."""

    async def write_record(self, record: SealedRecord, replaced: Collection[bytes]) -> None:
        """Keep it, and drop what was kept under `replaced`."""

    async def drop_record(self, hashes: Collection[bytes]) -> None: ...


def digest_of(told: Told) -> bytes:
    """The same for each repetition of a message, wherever it stands."""
    key, value = told.key or b"", told.value or b""
    return sha256(len(key).to_bytes(4, "big") + key + value).digest()
