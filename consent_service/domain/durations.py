"""ISO 8601 durations, added by the UTC calendar (R17)."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta

import msgspec

from consent_service.domain.values import LATEST

_PATTERN = re.compile(
    r"P(?=\d|T\d)(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,4})M)?(?:(?P<weeks>\d{1,4})W)?"
    r"(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,8})S)?)?",
    re.ASCII,
)


class Duration(msgspec.Struct, frozen=True):
    """A calendar part (months) and an exact part, as ISO 8601 writes them."""

    months: int
    exact: timedelta


def parse_duration(text: str) -> Duration:
    """Read `P3Y`, `P180D`, `P3Y6M`, `PT15M` and the like. Raises ValueError on anything else."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"not an ISO 8601 duration such as P3Y, P180D or PT15M: {text!r}")
    part = {name: int(value or 0) for name, value in match.groupdict().items()}
    return Duration(
        months=part["years"] * 12 + part["months"],
        exact=timedelta(
            weeks=part["weeks"],
            days=part["days"],
            hours=part["hours"],
            minutes=part["minutes"],
            seconds=part["seconds"],
        ),
    )


def add_duration(start: datetime, duration: Duration) -> datetime:
    """`start` plus the duration by the UTC calendar, the day clamped to the month's end (R17).

    A later result is clamped to the latest time that is kept: a consent for ever, not an error.
    """
    start = start.astimezone(UTC)
    month_index = start.year * 12 + start.month - 1 + duration.months
    year, month = divmod(month_index, 12)
    month += 1
    if year > 9999:
        return LATEST
    day = min(start.day, calendar.monthrange(year, month)[1])
    try:
        return min(LATEST, start.replace(year=year, month=month, day=day) + duration.exact)
    except OverflowError:
        return LATEST
