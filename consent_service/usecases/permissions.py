"""May a purpose be pursued for a subject: now, or as it was known at a moment (R18, CORE 11).

Questions that wait together are sent together, as one statement: a check after a 201 still sees it, from any process,
since each question is read from the database after it was asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.consent import fold, permission
from consent_service.domain.errors import InvalidValue, NotFound, Overloaded, UnknownReference
from consent_service.domain.identifiers import Identifier
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import Permission, State, SubjectFlags
from consent_service.storage.database import Database
from consent_service.storage.keyring import Keyring
from consent_service.storage.records import read_facts
from consent_service.storage.states import Asked, ask
from consent_service.storage.subjects import find_identifiers, read_subject
from consent_service.usecases import clock
from consent_service.usecases.batches import identifier_hashes
from consent_service.usecases.catalogue import Catalogue

_log = logging.getLogger(__name__)

_NOBODY = SubjectFlags()

#: How many batches share a transaction, while questions keep coming.
TRANSACTION_BATCHES_MAX = 100


class Query(msgspec.Struct, frozen=True):
    """One question of a batch: a subject by id, or by an identifier in normal form."""

    purpose: str
    subject_id: UUID | None = None
    identifier: Identifier | None = None


class PermissionAnswer(msgspec.Struct, frozen=True):
    """`subject_id` is null for an identifier that nobody has: such a person has no records."""

    subject_id: UUID | None
    purpose: str
    permission: Permission


class _Waiting:
    __slots__ = ("answer", "question")

    def __init__(self, question: tuple[str, UUID | None, str]) -> None:
        self.question = question
        self.answer: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()


class Permissions:
    """Answers from the database, never from memory; at most `queue_rows_max` questions wait."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        keyring: Keyring,
        *,
        queue_rows_max: int = 20000,
        batch_rows_max: int = 512,
        readers: int = 2,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._keyring = keyring
        self._queue_rows_max = queue_rows_max
        self._batch_rows_max = batch_rows_max
        self._readers_max = readers
        self._now = now
        self._queue: deque[_Waiting] = deque()
        self._readers = 0
        self._reading: set[asyncio.Task[None]] = set()

    async def one(
        self, controller: str, subject_id: UUID, purpose: str, as_of: datetime | None = None
    ) -> Permission:
        """Raises NotFound for an unknown subject or purpose, InvalidValue for a future `as_of`."""
        if as_of is not None:
            return await self._known_at(controller, subject_id, purpose, as_of)
        asked = await self._ask((controller, subject_id, purpose))
        known = (await self._catalogue.purposes(controller, asked.revision)).get(purpose)
        if known is None:
            raise NotFound("The controller has no such purpose.")
        if not asked.found:
            raise NotFound("The controller has no such subject.")
        return permission(asked.flags, asked.state, known, self._now())

    async def many(
        self, controller: str, queries: Sequence[Query], as_of: datetime | None = None
    ) -> list[PermissionAnswer]:
        """Answers in the order asked. An unknown subject id or purpose raises UnknownReference with its pointer."""
        subjects = await self._subjects(controller, queries)
        if as_of is not None:
            return await self._many_known_at(controller, queries, subjects, as_of)
        questions = [
            (controller, subject, query.purpose) for subject, query in zip(subjects, queries, strict=True)
        ]
        async with self._database.transaction([controller], read_only=True) as connection:
            answers = await ask(connection, questions)
        revision = answers[0].revision if answers else None
        purposes = await self._catalogue.purposes(controller, revision)
        now = self._now()
        results = []
        for place, (query, subject_id, asked) in enumerate(zip(queries, subjects, answers, strict=True)):
            purpose = _purpose(purposes.get(query.purpose), place)
            if query.subject_id is not None and not asked.found:
                raise _unknown_subject(place)
            judged = permission(asked.flags, asked.state, purpose, now)
            results.append(PermissionAnswer(subject_id, query.purpose, judged))
        return results

    async def _subjects(self, controller: str, queries: Sequence[Query]) -> list[UUID | None]:
        identifiers = [query.identifier for query in queries if query.identifier is not None]
        if not identifiers:
            return [query.subject_id for query in queries]
        hashes = {one: identifier_hashes(self._keyring, controller, [one]) for one in set(identifiers)}
        wanted = {one for of_one in hashes.values() for one in of_one}
        async with self._database.transaction([controller], read_only=True) as connection:
            found = await find_identifiers(connection, wanted)
        known = {
            identifier: next((found[one].subject_id for one in of_one if one in found), None)
            for identifier, of_one in hashes.items()
        }
        return [
            query.subject_id if query.identifier is None else known[query.identifier] for query in queries
        ]

    async def _known_at(self, controller: str, subject_id: UUID, purpose: str, as_of: datetime) -> Permission:
        if as_of > self._now():
            raise InvalidValue("`as_of` lies in the future.", parameter="as_of")
        async with self._database.transaction([controller], read_only=True) as connection:
            subject = await read_subject(connection, controller, subject_id)
            facts = await read_facts(connection, controller, [subject_id], as_of)
            known = (await self._catalogue.purposes_in(connection, controller)).get(purpose)
        if known is None or known.versions[0].published_at > as_of:
            raise NotFound("The controller had no such purpose at that moment.")
        if subject is None:
            raise NotFound("The controller has no such subject.")
        state = fold(known, facts.get(subject_id, {}).get(purpose, ()))
        return known_at(subject.flags, state, known, as_of)

    async def _many_known_at(
        self,
        controller: str,
        queries: Sequence[Query],
        subjects: Sequence[UUID | None],
        as_of: datetime,
    ) -> list[PermissionAnswer]:
        if as_of > self._now():
            raise InvalidValue("`as_of` lies in the future.", pointer="/as_of")
        ids = sorted({one for one in subjects if one is not None})
        async with self._database.transaction([controller], read_only=True) as connection:
            found = dict(zip(ids, await ask(connection, [(controller, one, "") for one in ids]), strict=True))
            facts = await read_facts(connection, controller, ids, as_of)
            purposes = await self._catalogue.purposes_in(connection, controller)
        results = []
        for place, (query, subject_id) in enumerate(zip(queries, subjects, strict=True)):
            purpose = _purpose(purposes.get(query.purpose), place)
            if purpose.versions[0].published_at > as_of:
                raise _unknown_purpose(place)
            asked = None if subject_id is None else found[subject_id]
            if query.subject_id is not None and (asked is None or not asked.found):
                raise _unknown_subject(place)
            flags = _NOBODY if asked is None else asked.flags
            history = () if subject_id is None else facts.get(subject_id, {}).get(query.purpose, ())
            judged = known_at(flags, fold(purpose, history), purpose, as_of)
            results.append(PermissionAnswer(subject_id, query.purpose, judged))
        return results

    async def _ask(self, question: tuple[str, UUID | None, str]) -> Asked:
        if len(self._queue) >= self._queue_rows_max:
            raise Overloaded("Too many questions wait. Try again.")
        waiting = _Waiting(question)
        self._queue.append(waiting)
        if self._readers < self._readers_max:
            self._readers += 1
            reader = asyncio.create_task(self._read())
            self._reading.add(reader)
            reader.add_done_callback(self._reading.discard)
        return await waiting.answer

    async def _read(self) -> None:
        """Empty the queue; gone in the step that found it empty, so that nobody waits in vain."""
        try:
            await self._empty_queue()
        finally:
            self._readers -= 1

    async def _empty_queue(self) -> None:
        """Batch after batch in one transaction: a statement sees all that was committed before it began."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_rows_max))]
            controllers = {waiting.question[0] for waiting in batch}
            try:
                async with self._database.transaction(controllers, read_only=True) as connection:
                    for left in reversed(range(TRANSACTION_BATCHES_MAX)):
                        answers = await ask(connection, [waiting.question for waiting in batch])
                        for waiting, answer in zip(batch, answers, strict=True):
                            if not waiting.answer.done():
                                waiting.answer.set_result(answer)
                        batch = self._take_of(controllers) if left else []
                        if not batch:
                            break
            except Exception as error:  # noqa: BLE001 - whatever it is, every caller gets an answer
                _log.warning("questions not answered", extra={"error": type(error).__name__})
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(error)

    def _take_of(self, controllers: Collection[str]) -> list[_Waiting]:
        """What waits next, up to the first question that this transaction must not see."""
        batch: list[_Waiting] = []
        while self._queue and len(batch) < self._batch_rows_max and self._queue[0].question[0] in controllers:
            batch.append(self._queue.popleft())
        return batch


def known_at(flags: SubjectFlags, state: State | None, purpose: Purpose, as_of: datetime) -> Permission:
    """What the service would have answered at that moment: flags set later count only for an erased person (R18)."""
    then = SubjectFlags(
        erased_at=flags.erased_at,
        suppressed_at=_then(flags.suppressed_at, as_of),
        restricted_at=_then(flags.restricted_at, as_of),
    )
    return permission(then, state, published_at(purpose, as_of), as_of)


def published_at(purpose: Purpose, as_of: datetime) -> Purpose:
    """The purpose with the versions that were published by then; at least its first."""
    versions = tuple(one for one in purpose.versions if one.published_at <= as_of)
    return msgspec.structs.replace(purpose, versions=versions or purpose.versions[:1])


def _then(flag: datetime | None, as_of: datetime) -> datetime | None:
    return flag if flag is not None and flag <= as_of else None


def _purpose(purpose: Purpose | None, place: int) -> Purpose:
    if purpose is None:
        raise _unknown_purpose(place)
    return purpose


def _unknown_purpose(place: int) -> UnknownReference:
    return UnknownReference("The controller has no such purpose.", pointer=f"/queries/{place}/purpose")


def _unknown_subject(place: int) -> UnknownReference:
    return UnknownReference("The controller has no such subject.", pointer=f"/queries/{place}/subject_id")
