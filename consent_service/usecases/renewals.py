"""Notices that a consent will soon end by itself, so that somebody can ask for it again in time (R17, R28)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.changes import RenewalDue, renewal_notice_id
from consent_service.domain.consent import permission
from consent_service.domain.durations import Duration, add_duration
from consent_service.domain.purposes import Purpose
from consent_service.storage.database import Database
from consent_service.storage.notices import NewNotice, give_notices
from consent_service.storage.sweeping import BEGINNING, Ending, Place, read_ending

Catalogues = Mapping[str, Mapping[str, Purpose]]

#: How often everything that ends soon is looked at again: what was given for less than the notice's time, or recorded
#: late, came in behind the place that was reached.
LOOK_BACK_S = 900.0


class Looked(msgspec.Struct, frozen=True):
    """How many were looked at, and how many notices were new."""

    rows: int = 0
    told: int = 0


class Renewals:
    """Walks over what ends within `notice` from now, in the order of the end. Each consent is told of once for ever."""

    def __init__(
        self,
        database: Database,
        notice: Duration,
        *,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
    ) -> None:
        self._database = database
        self._notice = notice
        self._now = now
        self._seconds = seconds
        self._after = BEGINNING
        self._look_back_at = float("-inf")

    async def page(self, catalogues: Catalogues, rows_max: int) -> Looked:
        """The next page. Nothing is looked at where nothing has come within the time since."""
        now = self._now()
        after = max(self._after, Place(now, UUID(int=0), ""), key=lambda place: place.until)
        upto = add_duration(now, self._notice)
        async with self._database.transaction(catalogues) as connection:
            page = await read_ending(connection, after, upto, rows_max)
            notices = [_notice(one, now) for one in page if _counts(one, catalogues[one.controller], now)]
            told = await give_notices(connection, notices) if notices else 0
        if page:
            self._after = page[-1].place
        if len(page) < rows_max and self._seconds() >= self._look_back_at:
            self._after = BEGINNING
            self._look_back_at = self._seconds() + LOOK_BACK_S
        return Looked(len(page), told)


def _counts(ending: Ending, purposes: Mapping[str, Purpose], now: datetime) -> bool:
    """Whether a permission rests on it now: else nobody has to ask again before it ends."""
    purpose = purposes.get(ending.place.purpose)
    if purpose is None:
        return False
    return permission(ending.flags, ending.state, purpose, now).until is not None


def _notice(ending: Ending, now: datetime) -> NewNotice:
    place = ending.place
    notice = RenewalDue(
        notice_id=renewal_notice_id(ending.controller, place.subject_id, place.purpose, place.until),
        controller=ending.controller,
        subject_id=place.subject_id,
        purpose=place.purpose,
        version=ending.state.version,
        until=place.until,
        noticed_at=now,
    )
    return NewNotice(notice, ending.shard)
