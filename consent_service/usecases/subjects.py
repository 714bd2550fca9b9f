"""Finding persons, their identifiers, and what stands for them (R18, R19, R35, CORE 11, 13)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.changes import IdentifierChanged
from consent_service.domain.consent import fold, standing
from consent_service.domain.errors import (
    ConflictingIdentifiers,
    Erased,
    InvalidValue,
    NotFound,
)
from consent_service.domain.identifiers import Identifier
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import Fact, Permission, Preferences, State, SubjectFlags
from consent_service.domain.values import Status
from consent_service.storage.audit import insert_entries
from consent_service.storage.database import Connection, Database
from consent_service.storage.keyring import Keyring
from consent_service.storage.notices import NewNotice, give_notices
from consent_service.storage.records import read_facts
from consent_service.storage.states import read_subject_states
from consent_service.storage.subjects import (
    IdentifierRow,
    SubjectRow,
    delete_identifier,
    find_identifiers,
    read_identifiers,
    read_subject,
)
from consent_service.usecases import clock
from consent_service.usecases.auditing import entry
from consent_service.usecases.batches import identifier_hashes, identifier_place
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.permissions import known_at, published_at
from consent_service.usecases.submissions import Caller


class ConsentItem(msgspec.Struct, frozen=True):
    """What stands for one purpose that has a record (API, CORE 7)."""

    purpose: str
    status: Status
    version: int
    since: datetime | None
    record_id: UUID | None
    permission: Permission
    preferences: Preferences | None


def consent_item(flags: SubjectFlags, purpose: Purpose, state: State, at: datetime) -> ConsentItem:
    """What stands at that moment."""
    judged = known_at(flags, state, purpose, at)
    stands = standing(state, published_at(purpose, at), at)
    return ConsentItem(
        purpose=purpose.slug,
        status=stands.status,
        version=judged.version or state.version,
        since=stands.since,
        record_id=state.record_id,
        permission=judged,
        preferences=state.preferences,
    )


class LinkedIdentifier(msgspec.Struct, frozen=True):
    identifier_id: UUID
    type: str
    value: str
    linked_at: datetime


class IdentifierPage(msgspec.Struct, frozen=True):
    items: list[LinkedIdentifier]
    next: UUID | None


class Subjects:
    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        keyring: Keyring,
        *,
        wake: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._keyring = keyring
        self._wake = wake
        self._now = now

    async def lookup(self, controller: str, identifiers: Sequence[Identifier]) -> UUID:
        """The one person with these identifiers. Raises NotFound, or ConflictingIdentifiers for two persons."""
        hashes = identifier_hashes(self._keyring, controller, identifiers)
        async with self._database.transaction([controller], read_only=True) as connection:
            links = await find_identifiers(connection, hashes)
        found = {link.subject_id for link in links.values()}
        if not found:
            raise NotFound("Nobody is known by these identifiers.")
        if len(found) > 1:
            raise ConflictingIdentifiers(
                "These identifiers belong to different persons.", pointer="/identifiers"
            )
        return found.pop()

    async def identifiers(
        self, caller: Caller, subject_id: UUID, *, limit: int = 100, after: UUID | None = None
    ) -> IdentifierPage:
        """The person's identifiers in clear, in the order of linking; the reading is audited (R35).

        Raises NotFound also for a person who has no record about any of the caller's purposes.
        """
        controller = caller.controller
        async with self._database.transaction([controller]) as connection:
            await self._existing(connection, controller, subject_id)
            if caller.purposes is not None:
                states = await read_subject_states(connection, controller, subject_id)
                if caller.purposes.isdisjoint(states):
                    raise NotFound("The controller has no such subject among the token's purposes.")
            rows = await read_identifiers(connection, controller, subject_id, limit + 1, after)
            count = min(len(rows), limit)
            told = entry(caller, AuditAction.IDENTIFIERS_READ, self._now(), subject_id, count=count)
            await insert_entries(connection, [told])
        items = [self._open(row) for row in rows[:limit]]
        return IdentifierPage(items=items, next=items[-1].identifier_id if len(rows) > limit else None)

    async def unlink(self, caller: Caller, subject_id: UUID, identifier_id: UUID) -> None:
        """Remove one identifier of the person. Raises NotFound; the removal is audited, and told on the stream."""
        controller = caller.controller
        async with self._database.transaction([controller]) as connection:
            subject = await self._existing(connection, controller, subject_id)
            removed = await delete_identifier(connection, controller, subject_id, identifier_id)
            if removed is None:
                raise NotFound("The person has no such identifier.")
            now = self._now()
            told = entry(
                *(caller, AuditAction.IDENTIFIER_UNLINKED, now, subject_id),
                identifier_id=identifier_id,
                type=removed,
            )
            await insert_entries(connection, [told])
            notice = IdentifierChanged(
                notice_id=clock.new_id(now),
                controller=controller,
                subject_id=subject_id,
                identifier_id=identifier_id,
                type=removed,
                linked=False,
                noticed_at=now,
            )
            await give_notices(connection, [NewNotice(notice, subject.shard)])
        self._wake()

    async def consents(
        self, caller: Caller, subject_id: UUID, as_of: datetime | None = None
    ) -> list[ConsentItem]:
        """What stands for each purpose with a record, now or as known at a moment. Raises NotFound, InvalidValue.

        What was known at a moment is the person's history, and to read it is audited.
        """
        controller, now = caller.controller, self._now()
        if as_of is not None and as_of > now:
            raise InvalidValue("`as_of` lies in the future.", parameter="as_of")
        async with self._database.transaction([controller], read_only=as_of is None) as connection:
            subject = await read_subject(connection, controller, subject_id)
            if subject is None:
                raise NotFound("The controller has no such subject.")
            # The catalogue last, so that it knows every purpose and version that the records name.
            facts: dict[str, list[Fact]] = {}
            states: dict[str, State] = {}
            if as_of is None:
                states = await read_subject_states(connection, controller, subject_id)
            else:
                read = await read_facts(connection, controller, [subject_id], as_of)
                facts = read.get(subject_id, {})
                told = entry(caller, AuditAction.STATES_READ_AS_OF, now, subject_id, as_of=as_of)
                await insert_entries(connection, [told])
            purposes = await self._catalogue.purposes_in(connection, controller)
        for purpose in sorted(facts):
            state = fold(purposes[purpose], facts[purpose])
            if state is not None:
                states[purpose] = state
        at = as_of or now
        return [
            consent_item(subject.flags, purposes[purpose], state, at) for purpose, state in states.items()
        ]

    async def _existing(self, connection: Connection, controller: str, subject_id: UUID) -> SubjectRow:
        subject = await read_subject(connection, controller, subject_id)
        if subject is None:
            raise NotFound("The controller has no such subject.")
        if subject.flags.erased_at is not None:
            raise Erased("The person was erased; nothing is known of them.")
        return subject

    def _open(self, row: IdentifierRow) -> LinkedIdentifier:
        value = self._keyring.open(row.key_id, row.sealed_value, identifier_place(row.identifier_id))
        return LinkedIdentifier(row.identifier_id, row.type, value.decode(), row.linked_at)
