"""Bringing everything under the look-up and sealing keys in use, so that others can be removed (R19, CORE 13).

A rotation walks over the persons' data keys and the identifiers of each controller, a page a transaction, and gives way
to people. Nothing is kept of how far it is: the rows say under which key they are, so one that was killed is simply run
again, and several at once do no harm. A process that knows the keys of the settings finds and opens everything at every
moment; what must have been done before is told in docs/decisions/0012-rotation.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.identifiers import lookup_hash
from consent_service.storage.audit import AuditEntry, insert_entries
from consent_service.storage.database import RETRYABLE, Connection, Database
from consent_service.storage.key_holders import read_key_holders
from consent_service.storage.keyring import Keyring, SealBroken
from consent_service.storage.rotation import (
    BEGINNING,
    NewHash,
    Place,
    Resealed,
    RotatedIdentifier,
    SubjectKeyRow,
    delete_hashes,
    insert_hashes,
    read_identifier_places,
    read_identifiers_to_rotate,
    read_subject_keys,
    reseal_identifiers,
    reseal_subject_keys,
)
from consent_service.storage.subjects import find_identifiers
from consent_service.storage.sweeping import read_controllers
from consent_service.usecases import clock
from consent_service.usecases.batches import identifier_place, key_place
from consent_service.usecases.key_survey import (
    HASHES,
    IDENTIFIERS,
    SUBJECT_KEYS,
    Survey,
    take_survey,
    unaware,
)
from consent_service.usecases.pacing import Pace, running_seconds

#: How many rows a transaction looks at, and at most writes: some milliseconds, for which an unlinking may wait.
PAGE_ROWS = 100
#: How many of those that are looked at count as one that is written.
LOOKED_AT_A_ROW = 20
#: How long a page waits for an identifier that another transaction has locked, before it is passed over.
LOCK_S = 0.05
#: How often everything is walked over again for what came in behind the walk or was passed over.
WALKS_MAX = 5
#: So many faults are told; the rest is counted in the survey.
FAULTS_MAX = 1000


class What(StrEnum):
    """Why a row could not be rotated, as an operator reads it."""

    KEY_BROKEN = "the person's data key does not open under the sealing key that it names"
    VALUE_BROKEN = "the identifier's value does not open under the sealing key that it names"
    SHARED = "the identifier is another person's too; unlink it from one of them"
    TWICE = "the person has the identifier twice; unlink one of them"


class Fault(msgspec.Struct, frozen=True):
    """A row that could not be rotated. `detail` is the key's id, or the identifier and person that have the hash."""

    controller: str
    place: Place
    what: What
    detail: str


class HeldUp(Exception):
    """Processes that are alive, by name, would find or open nothing any more."""

    def __init__(self, holders: Sequence[str]) -> None:
        super().__init__(", ".join(holders))
        self.holders = holders


class _Walked:
    """What a walk over one controller has written, by table, and how many pages it passed over."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.passed_over = 0


class Rotation:
    """As role consent_keeper. `counting` is a database whose statements may take long; it only reads.

    `actor` and `reason` are the audit's. `report` is told each fault, `progress` how much is left and of how much.
    """

    def __init__(
        self,
        database: Database,
        counting: Database,
        keyring: Keyring,
        *,
        actor: str,
        reason: str | None = None,
        rows_per_s: int,
        page_rows: int = PAGE_ROWS,
        report: Callable[[Fault], None] = lambda _: None,
        progress: Callable[[int, int], None] = lambda _, __: None,
        now: Callable[[], datetime] = clock.now,
        seconds: Callable[[], float] = running_seconds,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._counting = counting
        self._keyring = keyring
        self._actor, self._reason = actor, reason
        # No page waits longer than a second for its pace.
        self._page_rows = min(page_rows, rows_per_s)
        self._report, self._progress = report, progress
        self._now, self._pace = now, Pace(rows_per_s, seconds=seconds, sleep=sleep)
        self._faults: set[Fault] = set()
        self._due = self._done = 0

    @property
    def faults(self) -> int:
        """How many rows could not be rotated, as far as they were told."""
        return len(self._faults)

    async def survey(self) -> Survey:
        return await take_survey(self._counting, self._keyring)

    async def rotate(self) -> Survey:
        """Walk until nothing is left, or what is left cannot be rotated. Returns how it stands then.

        Raises HeldUp while a process does not know the keys in use, Unavailable where the database is away; what was
        done stays done.
        """
        for _ in range(WALKS_MAX):
            survey = await self.survey()
            self._due, self._done = survey.due, 0
            if not survey.due:
                return survey
            walks = [await self._walk(controller) for controller in await self._controllers()]
            if not any(walked.rows or walked.passed_over for walked in walks):
                break
        return await self.survey()

    async def forget(self, key_id: str) -> int:
        """Delete the hashes under a look-up key that the settings do not name, where the key in use finds the same.

        Returns how many. Raises HeldUp while a process knows that key, or does not know those in use; Unavailable.
        """
        assert key_id not in self._keyring.lookup_ids
        survey = await self.survey()
        knowing = [one.holder for one in survey.holders if key_id in one.lookup_ids]
        if knowing or survey.unaware:
            raise HeldUp(knowing or survey.unaware)
        self._due, self._done = survey.under((HASHES,), key_id), 0
        forgotten = 0
        for controller in await self._controllers():
            forgotten += await self._forget_of(controller, key_id)
        return forgotten

    async def _forget_of(self, controller: str, key_id: str) -> int:
        walked = _Walked()
        after: Place | None = BEGINNING
        while after is not None:
            await self._pace.wait()
            async with self._database.transaction([controller], read_only=True) as connection:
                page = await read_identifier_places(connection, controller, after, self._page_rows)

            async def delete(connection: Connection, page: Sequence[Place] = page) -> Counter[str]:
                ids = [place.identifier_id for place in page]
                lookup_id = self._keyring.lookup_id
                deleted = await delete_hashes(connection, controller, ids, key_id, lookup_id)
                return Counter({HASHES: deleted})

            await self._write(controller, walked, delete, AuditAction.KEYS_FORGETTING, {"key_id": key_id})
            self._pace.spend(len(page) / LOOKED_AT_A_ROW)
            after = page[-1] if len(page) == self._page_rows else None
        await self._tell(controller, walked, AuditAction.KEYS_FORGOTTEN, {"key_id": key_id})
        return walked.rows[HASHES]

    async def _controllers(self) -> list[str]:
        async with self._database.session() as connection:
            return await read_controllers(connection)

    async def _walk(self, controller: str) -> _Walked:
        walked = _Walked()
        for next_page in (self._subject_keys, self._identifiers):
            after: Place | None = BEGINNING
            while after is not None:
                await self._pace.wait()
                after = await next_page(controller, after, walked)
        await self._tell(controller, walked, AuditAction.KEYS_ROTATED, self._in_use)
        return walked

    @property
    def _in_use(self) -> dict[str, Any]:
        return {"lookup_key": self._keyring.lookup_id, "sealing_key": self._keyring.sealing_id}

    async def _subject_keys(self, controller: str, after: Place, walked: _Walked) -> Place | None:
        """A page of persons' data keys. Where it has ended; None at the end."""
        async with self._database.transaction([controller], read_only=True) as connection:
            page = await read_subject_keys(
                connection, controller, after, self._page_rows, self._keyring.sealing_id
            )
        resealed = [one for row in page if (one := self._resealed_key(controller, row)) is not None]

        async def write(connection: Connection) -> Counter[str]:
            done = await reseal_subject_keys(connection, controller, self._keyring.sealing_id, resealed)
            return Counter({SUBJECT_KEYS: done})

        if resealed:
            await self._write(controller, walked, write, AuditAction.KEYS_ROTATING, self._in_use)
        self._pace.spend(len(page) / LOOKED_AT_A_ROW)
        return Place(page[-1].subject_id) if len(page) == self._page_rows else None

    def _resealed_key(self, controller: str, row: SubjectKeyRow) -> Resealed | None:
        if row.sealed_key is None:
            return None
        place, bound_to = Place(row.subject_id), key_place(row.subject_id)
        key = self._opened(controller, place, row.key_id, row.sealed_key, bound_to, What.KEY_BROKEN)
        return None if key is None else Resealed(place, row.sealed_key, self._keyring.seal(key, bound_to))

    async def _identifiers(self, controller: str, after: Place, walked: _Walked) -> Place | None:
        """A page of identifiers, sealed and hashed anew. Where it has ended; None at the end."""
        sealing_id, lookup_id = self._keyring.sealing_id, self._keyring.lookup_id
        async with self._database.transaction([controller], read_only=True) as connection:
            page = await read_identifiers_to_rotate(
                connection, controller, after, self._page_rows, sealing_id, lookup_id
            )
        due = [one for row in page if (one := self._rotated(controller, row)) is not None]
        hashes = [hashed for _, hashed in due if hashed is not None]
        elsewhere = {row.identifier_id for row in page if row.key_id != sealing_id}

        async def write(connection: Connection) -> Counter[str]:
            kept = await reseal_identifiers(connection, controller, sealing_id, [one for one, _ in due])
            wanted = [one for one in hashes if one.place.identifier_id in kept]
            made = await insert_hashes(connection, controller, lookup_id, wanted) if wanted else set()
            await self._tell_clashes(
                connection, controller, [one for one in wanted if one.place.identifier_id not in made]
            )
            return Counter({IDENTIFIERS: len(kept & elsewhere), HASHES: len(made)})

        if due:
            await self._write(controller, walked, write, AuditAction.KEYS_ROTATING, self._in_use)
        self._pace.spend(len(page) / LOOKED_AT_A_ROW)
        return page[-1].place if len(page) == self._page_rows else None

    def _rotated(self, controller: str, row: RotatedIdentifier) -> tuple[Resealed, NewHash | None] | None:
        """The value under the key in use, and its hash where it is not found by the key in use."""
        if row.sealed_value is None:
            return None
        bound_to = identifier_place(row.identifier_id)
        value = self._opened(controller, row.place, row.key_id, row.sealed_value, bound_to, What.VALUE_BROKEN)
        if value is None:
            return None
        # Where it is sealed as it should be already, writing it as it is takes the row's lock.
        is_sealed = row.key_id == self._keyring.sealing_id
        after = row.sealed_value if is_sealed else self._keyring.seal(value, bound_to)
        resealed = Resealed(row.place, row.sealed_value, after)
        if row.is_found:
            return resealed, None
        key = self._keyring.lookup_keys(controller)[0][1]
        return resealed, NewHash(lookup_hash(key, row.type, value.decode()), row.place)

    def _opened(
        self, controller: str, place: Place, key_id: str, sealed: bytes, bound_to: bytes, what: What
    ) -> bytes | None:
        """None where it does not open; of a key that the settings do not name the survey tells."""
        if key_id not in self._keyring.sealing_ids:
            return None
        try:
            return self._keyring.open(key_id, sealed, bound_to)
        except SealBroken:
            self._fault(Fault(controller, place, what, key_id))
            return None

    async def _tell_clashes(self, connection: Connection, controller: str, hashes: Sequence[NewHash]) -> None:
        """Whose the hashes are that were there before; another rotation may have made them just now."""
        if not hashes:
            return
        found = await find_identifiers(connection, [one.hash for one in hashes])
        for one in hashes:
            link = found.get(one.hash)
            if link is None or link.identifier_id == one.place.identifier_id:
                continue
            what = What.TWICE if link.subject_id == one.place.subject_id else What.SHARED
            detail = f"{link.subject_id} identifier {link.identifier_id}"
            self._fault(Fault(controller, one.place, what, detail))

    def _fault(self, fault: Fault) -> None:
        if fault not in self._faults and len(self._faults) < FAULTS_MAX:
            self._faults.add(fault)
            self._report(fault)

    async def _write(
        self,
        controller: str,
        walked: _Walked,
        work: Callable[[Connection], Awaitable[Counter[str]]],
        action: AuditAction,
        details: dict[str, Any],
    ) -> None:
        """One short transaction; the first that writes anything says in the audit who is at it.

        Where another transaction has one of the rows, the page is passed over.
        """
        try:
            async with self._database.transaction(
                [controller], retried=True, lock_timeout_s=LOCK_S
            ) as connection:
                in_use = (self._keyring.lookup_id, self._keyring.sealing_id)
                if held_up := unaware(await read_key_holders(connection), *in_use):
                    raise HeldUp(held_up)
                written = await work(connection)
                if written.total() and not walked.rows:
                    await insert_entries(connection, [self._entry(controller, action, details)])
        except RETRYABLE:
            walked.passed_over += 1
            return
        walked.rows += written
        self._done += written.total()
        self._pace.spend(written.total())
        self._progress(max(0, self._due - self._done), self._due)

    async def _tell(
        self, controller: str, walked: _Walked, action: AuditAction, details: dict[str, Any]
    ) -> None:
        """The end of a walk over a controller that has written anything, and how much that was."""
        if not walked.rows:
            return
        async with self._database.transaction([controller]) as connection:
            entry = self._entry(controller, action, {**details, **walked.rows})
            await insert_entries(connection, [entry])

    def _entry(self, controller: str, action: AuditAction, details: dict[str, Any]) -> AuditEntry:
        at = self._now()
        return AuditEntry(clock.new_id(at), controller, at, self._actor, action, None, details, self._reason)
