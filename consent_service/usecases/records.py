"""Reading the ledger: a person's history, and one record with its evidence (API, CORE 9, 14). Both are audited."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.errors import Erased, InvalidValue, NotFound
from consent_service.domain.records import Permission, Record
from consent_service.domain.values import Reason
from consent_service.storage.audit import insert_entries
from consent_service.storage.database import Database
from consent_service.storage.keyring import Keyring, open_details
from consent_service.storage.records import StoredRecord, read_history, read_records
from consent_service.storage.subjects import read_subject
from consent_service.usecases import clock
from consent_service.usecases.auditing import entry
from consent_service.usecases.batches import key_place
from consent_service.usecases.people import Details
from consent_service.usecases.submissions import Caller


class RecordView(msgspec.Struct, frozen=True):
    """A record as people read it. `actor` and `evidence` (raw JSON) are null once removed (CORE 14)."""

    record: Record
    permission: Permission | None
    actor: str | None
    evidence: bytes | None


class HistoryPage(msgspec.Struct, frozen=True):
    """`next` is the last sequence of the page where more records follow."""

    items: list[RecordView]
    next: int | None


class Records:
    def __init__(
        self, database: Database, keyring: Keyring, *, now: Callable[[], datetime] = clock.now
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._now = now

    async def history(
        self,
        caller: Caller,
        subject_id: UUID,
        *,
        purpose: str | None = None,
        as_of: datetime | None = None,
        limit: int = 100,
        after: int = 0,
    ) -> HistoryPage:
        """The person's records, oldest first. Raises NotFound, InvalidValue for a future `as_of`, Erased.

        Each page is entered in the audit trail.
        """
        controller = caller.controller
        if as_of is not None and as_of > self._now():
            raise InvalidValue("`as_of` lies in the future.", parameter="as_of")
        async with self._database.transaction([controller]) as connection:
            subject = await read_subject(connection, controller, subject_id)
            if subject is None:
                raise NotFound("The controller has no such subject.")
            if subject.flags.erased_at is not None:
                raise Erased("The person was erased.")
            stored = await read_history(
                connection,
                controller,
                subject_id,
                after=after,
                purpose=purpose,
                known_at=as_of,
                limit=limit + 1,
            )
            more = len(stored) > limit
            told = entry(
                *(caller, AuditAction.HISTORY_READ, self._now(), subject_id),
                count=min(len(stored), limit),
                after=after or None,
                purpose=purpose,
                as_of=as_of,
            )
            await insert_entries(connection, [told])
        items = [self._view(one) for one in stored[:limit]]
        return HistoryPage(items=items, next=items[-1].record.sequence if more else None)

    async def one(self, caller: Caller, record_id: UUID) -> RecordView:
        """With its evidence, and so entered in the audit trail. Raises NotFound."""
        async with self._database.transaction([caller.controller]) as connection:
            stored = (await read_records(connection, caller.controller, [record_id])).get(record_id)
            if stored is None:
                raise NotFound("The controller has no such record.")
            subject_id = stored.record.subject_id
            told = entry(caller, AuditAction.RECORD_READ, self._now(), subject_id, record_id=record_id)
            await insert_entries(connection, [told])
        return self._view(stored)

    async def several(self, controller: str, record_ids: Collection[UUID]) -> dict[UUID, RecordView]:
        """Those of these records that the controller has, by id: for who has just recorded them, and so not audited."""
        async with self._database.transaction([controller], read_only=True) as connection:
            stored = await read_records(connection, controller, record_ids)
        return {record_id: self._view(one) for record_id, one in stored.items()}

    def _view(self, stored: StoredRecord) -> RecordView:
        record = stored.record
        details = self._open(stored)
        return RecordView(
            record=record,
            permission=permission_of(record),
            actor=None if details is None else details.actor,
            evidence=None
            if record.evidence_commitment is None or details is None
            else bytes(details.evidence),
        )

    def _open(self, stored: StoredRecord) -> Details | None:
        if stored.sealed is None or stored.sealed_key is None or stored.key_id is None:
            return None
        record = stored.record
        key = self._keyring.open(stored.key_id, stored.sealed_key, key_place(record.subject_id))
        return msgspec.json.decode(open_details(key, record.record_id.bytes, stored.sealed), type=Details)


def permission_of(record: Record) -> Permission | None:
    """The permission that the record's decision led to, as it was answered then; null in person-wide records."""
    if record.allowed is None or record.reason is None or record.status is None:
        return None
    rests_on_consent = record.reason in (Reason.GIVEN, Reason.RENEWED)
    return Permission(
        allowed=record.allowed,
        reason=record.reason,
        status=record.status,
        version=record.standing_version,
        until=record.until if rests_on_consent else None,
    )
