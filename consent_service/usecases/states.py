"""A snapshot of all that stands, page by page (R32)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.errors import UnknownController
from consent_service.storage.audit import insert_entries, read_details
from consent_service.storage.catalogue import read_topic_prefix
from consent_service.storage.database import Connection, Database
from consent_service.storage.epochs import read_epoch
from consent_service.storage.states import StateRow, read_state_page
from consent_service.usecases import clock
from consent_service.usecases.auditing import entry
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.subjects import ConsentItem, consent_item
from consent_service.usecases.submissions import Caller

#: How long the pages of one export may take; what comes later is entered as another.
EXPORT_MAX = timedelta(days=1)
#: Comes before every subject and purpose.
BEGINNING = (UUID(int=0), "")


class StateItem(ConsentItem, frozen=True, kw_only=True):
    """What stands for one subject and purpose; an event with a higher (`ledger_epoch`, `sequence`) replaces it."""

    subject_id: UUID
    sequence: int
    ledger_epoch: int


class StatePage(msgspec.Struct, frozen=True):
    """`next` is the pair to go on behind, null at the end; `export_id` names the whole export in the audit trail."""

    items: list[StateItem]
    next: tuple[UUID, str] | None
    export_id: UUID


class States:
    """Each page is of its own moment; what changes in between comes on the stream."""

    def __init__(
        self, database: Database, catalogue: Catalogue, *, now: Callable[[], datetime] = clock.now
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._now = now

    async def page(
        self,
        caller: Caller,
        *,
        limit: int,
        after: tuple[UUID, str] = BEGINNING,
        export_id: UUID | None = None,
    ) -> StatePage:
        """The states behind this pair that the caller may see, in the order of subject and purpose.

        The pages of an export are one entry in the audit trail: hand on the `export_id` of the page before.
        """
        controller = caller.controller
        async with self._database.transaction([controller]) as connection:
            export_id = await self._exported(connection, caller, after, export_id)
            rows = await read_state_page(
                connection, controller, after=after, purposes=caller.purposes, limit=limit + 1
            )
            epoch = await read_epoch(connection)
            # The catalogue last, so that it knows every purpose and version that the states name.
            purposes = await self._catalogue.purposes_in(connection, controller)
        now = self._now()

        def item(row: StateRow) -> StateItem:
            stands = consent_item(row.flags, purposes[row.purpose], row.state, now)
            fields = {name: getattr(stands, name) for name in ConsentItem.__struct_fields__}
            return StateItem(**fields, subject_id=row.subject_id, sequence=row.sequence, ledger_epoch=epoch)

        more = len(rows) > limit
        last = rows[limit - 1] if more else None
        return StatePage(
            items=[item(row) for row in rows[:limit]],
            next=None if last is None else (last.subject_id, last.purpose),
            export_id=export_id,
        )

    async def _exported(
        self, connection: Connection, caller: Caller, after: tuple[UUID, str], export_id: UUID | None
    ) -> UUID:
        """The export that a page is part of. Where the trail tells of none that the page could be of, one begins here:
        cursors are no secret, and whoever has one writes another.
        """
        action, now = AuditAction.STATES_EXPORTED, self._now()
        purposes = None if caller.purposes is None else sorted(caller.purposes)
        if export_id is not None:
            begun = await read_details(
                *(connection, caller.controller, export_id),
                actor=caller.subject,
                action=action,
                since=now - EXPORT_MAX,
            )
            if (
                begun is not None
                and begun.get("purposes") == purposes
                and str(after[0]) >= begun.get("behind", "")
            ):
                return export_id
        behind = None if after == BEGINNING else after[0]
        told = entry(caller, action, now, behind=behind, purposes=purposes)
        await insert_entries(connection, [told])
        return told.audit_id

    async def topic_prefix(self, controller: str) -> str:
        """What the names of the controller's topics begin with. Raises UnknownController."""
        async with self._database.transaction([controller], read_only=True) as connection:
            prefix = await read_topic_prefix(connection, controller)
        if prefix is None:
            raise UnknownController("The controller has no catalogue here.")
        return prefix

    async def ledger_epoch(self) -> int:
        """The one in force: a restore from a backup begins the next."""
        async with self._database.session() as connection:
            return await read_epoch(connection)
