"""Entering into the audit trail, and reading it (R22, docs/decisions/0011-who-may-do-what.md).

Whoever changes or reads something else enters it in the same transaction, by `entry`: nothing is done or answered that
the trail does not tell of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from consent_service.domain.audit import AuditAction
from consent_service.domain.errors import UnknownController
from consent_service.storage.audit import AuditEntry, ToldEntry, insert_entries, read_entries
from consent_service.storage.catalogue import read_revision
from consent_service.storage.database import Database
from consent_service.usecases import clock
from consent_service.usecases.submissions import Caller

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PAGE_ROWS = 500


def entry(
    caller: Caller, action: AuditAction, at: datetime, subject_id: UUID | None = None, /, **details: Any
) -> AuditEntry:
    """An act of the caller, for the reason that it gives. Details that are None are left out."""
    told = {name: value for name, value in details.items() if value is not None}
    return AuditEntry(
        audit_id=clock.new_id(at),
        controller=caller.controller,
        at=at,
        actor=caller.subject,
        action=action,
        subject_id=subject_id,
        details=told,
        reason=caller.reason,
    )


class AuditTrail:
    def __init__(self, database: Database, *, now: Callable[[], datetime] = clock.now) -> None:
        self._database = database
        self._now = now

    async def enter(self, caller: Caller, action: AuditAction, /, **details: Any) -> None:
        """What belongs to no transaction of its own. Raises Unavailable, and then it must not be done."""
        async with self._database.transaction([caller.controller]) as connection:
            await insert_entries(connection, [entry(caller, action, self._now(), **details)])

    async def told(
        self,
        controller: str,
        *,
        since: datetime | None = None,
        actions: Collection[AuditAction] | None = None,
        subject_id: UUID | None = None,
    ) -> AsyncIterator[list[ToldEntry]]:
        """The trail page by page in the order of time, as role consent_auditor. Raises UnknownController."""
        begin = _EPOCH if since is None else max(since, _EPOCH)
        # The smallest id that one of that millisecond may have.
        last = UUID(int=(begin - _EPOCH) // _MILLISECOND << 80)
        async with self._database.session() as connection:
            if await read_revision(connection, controller) is None:
                raise UnknownController(f"There is no controller {controller!r}.")
            while True:
                page = await read_entries(
                    connection,
                    controller,
                    after=last,
                    since=begin,
                    actions=actions,
                    subject_id=subject_id,
                    rows_max=_PAGE_ROWS,
                )
                if not page:
                    return
                yield page
                last = page[-1].audit_id
