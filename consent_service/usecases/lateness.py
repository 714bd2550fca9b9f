"""Notices that a recipient has not acted in time, and how far behind each is (R34)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from consent_service.domain.changes import RecipientLate, late_notice_id
from consent_service.domain.propagation import recipients_of
from consent_service.metrics import Metrics
from consent_service.storage.database import Database
from consent_service.storage.lateness import Late, notice_late, read_late, read_oldest
from consent_service.storage.notices import NewNotice, give_notices
from consent_service.usecases.renewals import Catalogues, Looked


class Lateness:
    """Tells once of each deadline that a recipient has missed; a promise sets another one."""

    def __init__(self, database: Database, metrics: Metrics, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._metrics = metrics
        self._now = now

    async def page(self, catalogues: Catalogues, rows_max: int) -> Looked:
        """A page of what is late. What was told is not found again."""
        now = self._now()
        async with self._database.transaction(catalogues) as connection:
            page = await read_late(connection, now, rows_max)
            late = await notice_late(connection, page, now) if page else []
            told = await give_notices(connection, [_notice(one, now) for one in late]) if late else 0
        return Looked(len(page), told)

    async def measure(self, catalogues: Catalogues) -> None:
        """Of every recipient, how old the oldest record is that it has not acknowledged, as a metric."""
        recipients = sorted(
            {
                (controller, recipient)
                for controller, purposes in catalogues.items()
                for purpose in purposes.values()
                for recipient in recipients_of(purpose)
            }
        )
        async with self._database.transaction(catalogues, read_only=True) as connection:
            oldest = await read_oldest(connection, recipients)
        now = self._now()
        for controller, recipient, owed_since in oldest:
            seconds = 0.0 if owed_since is None else max(0.0, (now - owed_since).total_seconds())
            self._metrics.propagation_oldest_pending_seconds.labels(controller, recipient).set(seconds)


def _notice(late: Late, now: datetime) -> NewNotice:
    notice = RecipientLate(
        notice_id=late_notice_id(late.record_id, late.recipient, late.due_at),
        controller=late.controller,
        subject_id=late.subject_id,
        purpose=late.purpose,
        record_id=late.record_id,
        recipient=late.recipient,
        owed_since=late.owed_since,
        due_at=late.due_at,
        noticed_at=now,
    )
    return NewNotice(notice, late.shard)
