"""A store for a recipient that has nothing to keep.

After a crash events may come twice, and while one person's event fails the whole partition's progress waits: nothing
else would remember it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import count

import msgspec

from consent_client.recipient.store import Pair, Parked, SealedRecord, Settled, Told, digest_of


class _Waiting(msgspec.Struct):
    place: int
    told: Told
    tries: int
    retry_at: datetime | None
    released: bool = False


class MemoryStore:
    """Holds nothing beyond its process."""

    durable = False

    def __init__(self) -> None:
        self._settled: dict[str, dict[str, Settled]] = {}
        self._parked: dict[str, dict[bytes, _Waiting]] = {}
        self._epochs: dict[int, int] = {}
        self._records: dict[bytes, SealedRecord] = {}
        self._places = count(1)

    async def open(self, owner: str) -> None:
        """It belongs to one recipient anyway."""

    async def close(self) -> None:
        """What it holds stays until it is thrown away."""

    async def settled(self, subjects: Collection[str]) -> Mapping[Pair, Settled]:
        return {
            (subject, purpose): act
            for subject in subjects
            for purpose, act in self._settled.get(subject, {}).items()
        }

    async def settle(self, acts: Sequence[Settled]) -> None:
        for act in acts:
            known = self._settled.setdefault(act.subject, {})
            if act.purpose not in known or act.place > known[act.purpose].place:
                known[act.purpose] = act

    async def settled_in(self, partition: int) -> Sequence[Settled]:
        return [act for acts in self._settled.values() for act in acts.values() if act.partition == partition]

    async def park(self, told: Told, *, tries: int = 0, retry_at: datetime | None = None) -> bool:
        theirs = self._parked.setdefault(told.subject, {})
        digest = digest_of(told)
        if digest in theirs:
            return False
        theirs[digest] = _Waiting(next(self._places), told, tries, retry_at)
        return True

    async def parked(self, subject: str, limit: int) -> Sequence[Parked]:
        waiting = list(self._parked.get(subject, {}).values())[:limit]
        return [Parked(one.place, one.told, one.tries, one.released) for one in waiting]

    async def delay(self, place: int, retry_at: datetime) -> None:
        for theirs in self._parked.values():
            for one in theirs.values():
                if one.place == place:
                    one.tries, one.retry_at = one.tries + 1, retry_at

    async def unpark(self, place: int) -> None:
        self._parked = {
            subject: kept
            for subject, theirs in self._parked.items()
            if (kept := {digest: one for digest, one in theirs.items() if one.place != place})
        }

    async def waiting(self, partitions: Collection[int] | None) -> Collection[str]:
        return [
            one.told.subject
            for one in self._heads()
            if partitions is None or one.told.partition in partitions
        ]

    async def due(self, partitions: Collection[int], now: datetime, limit: int) -> Collection[str]:
        due = [
            one.told.subject
            for one in self._heads()
            if one.told.partition in partitions and (one.retry_at is None or one.retry_at <= now)
        ]
        return due[:limit]

    async def hurry(self, subject: str, now: datetime, *, release: bool) -> bool:
        for one in self._parked.get(subject, {}).values():
            one.retry_at, one.released = now, one.released or release
            return True
        return False

    async def epochs(self) -> Mapping[int, int]:
        return dict(self._epochs)

    async def set_epoch(self, partition: int, ledger_epoch: int) -> None:
        self._epochs[partition] = ledger_epoch

    async def read_record(self, hashes: Collection[bytes]) -> SealedRecord | None:
        return next((self._records[one] for one in hashes if one in self._records), None)

    async def write_record(self, record: SealedRecord, replaced: Collection[bytes]) -> None:
        await self.drop_record(replaced)
        self._records[record.subject_hash] = record

    async def drop_record(self, hashes: Collection[bytes]) -> None:
        for one in hashes:
            self._records.pop(one, None)

    def _heads(self) -> list[_Waiting]:
        return [next(iter(theirs.values())) for theirs in self._parked.values() if theirs]
