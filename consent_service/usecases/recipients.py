"""Which recipients are late, and with what (R34)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from consent_service.domain.errors import NotFound
from consent_service.domain.propagation import recipients_of
from consent_service.storage.database import Database
from consent_service.storage.recipients import (
    PendingRow,
    Standing,
    read_pending,
    read_standings,
)
from consent_service.usecases import clock
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.submissions import Caller

#: Comes before everything that is pending.
BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0), 0)


class RecipientItem(msgspec.Struct, frozen=True):
    """How a recipient stands. At most 100,000 of what it owes are counted, the oldest first.

    `late_s` is how long ago the earliest deadline passed that it has missed, in seconds; 0 where it is in time.
    """

    recipient: str
    pending: int
    late: int
    late_s: float
    oldest_owed_since: datetime | None
    latest_acknowledgement_at: datetime | None


class PendingItem(msgspec.Struct, frozen=True):
    """A record that a recipient owes an acknowledgement of."""

    record_id: UUID
    subject_id: UUID
    purpose: str
    sequence: int
    allowed: bool
    owed_since: datetime
    due_at: datetime
    late_s: float


class RecipientPage(msgspec.Struct, frozen=True):
    """`next` is the last recipient of the page where more follow."""

    items: list[RecipientItem]
    next: str | None


class PendingPage(msgspec.Struct, frozen=True):
    """`next` is the last place of the page where more follow."""

    items: list[PendingItem]
    next: tuple[datetime, UUID, int] | None


class Recipients:
    """Answers a caller who is bound to one recipient with that one alone."""

    def __init__(
        self, database: Database, catalogue: Catalogue, *, now: Callable[[], datetime] = clock.now
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._now = now

    async def page(self, caller: Caller, *, limit: int, after: str) -> RecipientPage:
        """The recipients behind that one, in the order of their names."""
        named = sorted(name for name in await self._named(caller.controller) if name > after)
        if caller.recipient is not None:
            named = [name for name in named if name == caller.recipient]
        now = self._now()
        async with self._database.transaction([caller.controller], read_only=True) as connection:
            standings = await read_standings(connection, caller.controller, named[:limit], now)
        return RecipientPage(
            [_recipient(one, now) for one in standings], named[limit - 1] if len(named) > limit else None
        )

    async def pending(
        self, caller: Caller, recipient: str, *, limit: int, after: tuple[datetime, UUID, int]
    ) -> PendingPage:
        """What a recipient owes behind that place, oldest first. Raises NotFound."""
        if recipient not in await self._named(caller.controller):
            raise NotFound("The controller has no such recipient.")
        now = self._now()
        async with self._database.transaction([caller.controller], read_only=True) as connection:
            rows = await read_pending(
                connection,
                caller.controller,
                recipient,
                after=after,
                purposes=caller.purposes,
                limit=limit + 1,
            )
        page = rows[:limit]
        return PendingPage(
            [_pending(one, now) for one in page], page[-1].place if len(rows) > limit else None
        )

    async def _named(self, controller: str) -> set[str]:
        purposes = await self._catalogue.purposes(controller)
        return {recipient for purpose in purposes.values() for recipient in recipients_of(purpose)}


def _late_s(due_at: datetime | None, now: datetime) -> float:
    return 0.0 if due_at is None else max(0.0, (now - due_at).total_seconds())


def _recipient(standing: Standing, now: datetime) -> RecipientItem:
    return RecipientItem(
        recipient=standing.recipient,
        pending=standing.pending,
        late=standing.late,
        late_s=_late_s(standing.earliest_due_at, now),
        oldest_owed_since=standing.oldest_owed_since,
        latest_acknowledgement_at=standing.latest_acknowledgement_at,
    )


def _pending(row: PendingRow, now: datetime) -> PendingItem:
    return PendingItem(
        record_id=row.record_id,
        subject_id=row.subject_id,
        purpose=row.purpose,
        sequence=row.sequence,
        allowed=row.allowed,
        owed_since=row.owed_since,
        due_at=row.due_at,
        late_s=_late_s(row.due_at, now),
    )
