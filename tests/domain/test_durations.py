"""ISO 8601 durations by the UTC calendar: R5, R17."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent_service.domain.durations import Duration, add_duration, parse_duration
from consent_service.domain.values import LATEST
from tests.mutations import outcome

READ = """
P3Y         months=36  days=0    seconds=0
P6M         months=6   days=0    seconds=0
P3Y6M       months=42  days=0    seconds=0
P2W         months=0   days=14   seconds=0
P180D       months=0   days=180  seconds=0
P1Y2M3DT4H  months=14  days=3    seconds=14400
PT15M       months=0   days=0    seconds=900
PT1H30M5S   months=0   days=0    seconds=5405
P0D         months=0   days=0    seconds=0
"""


@pytest.mark.parametrize("line", READ.strip().splitlines())
def test_a_duration_is_a_part_by_the_calendar_and_an_exact_one(line: str) -> None:
    text, *parts = line.split()
    number = {name: int(value) for name, value in (part.split("=") for part in parts)}
    exact = timedelta(days=number["days"], seconds=number["seconds"])
    assert parse_duration(text) == Duration(months=number["months"], exact=exact)


NOT_A_DURATION = (
    *("", "P", "PT", "P1", "1Y", "P1YT", "PT1D", "P1H", "P1D1Y", "P1M1Y", "PT1S1M", "p1y", "P1y"),
    *("-P1Y", "P-1Y", "+P1Y", "P1.5Y", "PT1,5S", "P1Y ", " P1Y", "P1Y\n", "P1Y2Y", "P12345Y", "P 1Y"),
    *("P٣Y", "P１Y", "P1D/P2D", "1 year", "P1Y\x00"),
)


@pytest.mark.parametrize("text", NOT_A_DURATION)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="P3Y"):
        parse_duration(text)


ADDED = """
2026-01-31T12:00:00  P1M      2026-02-28T12:00:00
2024-01-31T12:00:00  P1M      2024-02-29T12:00:00
2024-02-29T00:00:00  P1Y      2025-02-28T00:00:00
2024-02-29T00:00:00  P4Y      2028-02-29T00:00:00
2024-02-29T00:00:00  P12M     2025-02-28T00:00:00
2026-12-31T23:59:59  P2M      2027-02-28T23:59:59
2026-10-15T00:00:00  P3M      2027-01-15T00:00:00
2026-01-31T00:00:00  P1M1D    2026-03-01T00:00:00
2026-03-28T23:30:00  P1D      2026-03-29T23:30:00
2026-12-31T23:59:59  PT1S     2027-01-01T00:00:00
2026-01-01T00:00:00  P0D      2026-01-01T00:00:00
"""


@pytest.mark.parametrize("line", ADDED.strip().splitlines())
def test_months_first_and_clamped_then_the_exact_part(line: str) -> None:
    """R17."""
    start, text, end = line.split()
    began = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert add_duration(began, parse_duration(text)) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_the_calendar_is_that_of_utc() -> None:
    """R17: half past midnight on 1 March in Oslo is still February in UTC."""
    oslo = timezone(timedelta(hours=1))
    end = add_duration(datetime(2026, 3, 1, 0, 30, tzinfo=oslo), parse_duration("P1M"))
    assert end == datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    assert end.tzinfo is UTC


@pytest.mark.parametrize("text", ["P8000Y", "P9999Y9999M", "P9999W", "P99999D", "P7973Y11M30DT23H59M60S"])
def test_past_the_last_year_it_stands_for_ever(text: str) -> None:
    """A consent for ever, not an error."""
    late = datetime(9990, 1, 1, tzinfo=UTC) if text.startswith("P99") else datetime(2026, 1, 31, tzinfo=UTC)
    assert add_duration(late, parse_duration(text)) == LATEST


moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(moments, st.integers(0, 600))
def test_whole_months_keep_the_day_or_take_the_last_of_a_shorter_month(start: datetime, months: int) -> None:
    """R17."""
    end = add_duration(start, Duration(months=months, exact=timedelta()))
    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == months
    assert end.time() == start.time()
    shorter = end.day < start.day and (end + timedelta(days=1)).day == 1
    assert end.day == start.day or shorter


@given(moments, moments, st.integers(0, 600), st.integers(0, 10**6))
def test_who_agreed_later_never_ends_earlier(
    one: datetime, other: datetime, months: int, seconds: int
) -> None:
    duration = Duration(months=months, exact=timedelta(seconds=seconds))
    first, second = sorted((one, other))
    assert first <= add_duration(first, duration) <= add_duration(second, duration)


durations = (
    st.from_regex(r"P[0-9YMWDTHS.]{0,12}", fullmatch=True)
    | st.text(max_size=12)
    | st.sampled_from(NOT_A_DURATION)
)
any_moments = st.datetimes(timezones=st.just(UTC))


@given(durations, any_moments)
@example("P9999Y9999M", datetime.max.replace(tzinfo=UTC))
@example("P0D", datetime.max.replace(tzinfo=UTC))
@example("P99999DT999999H", datetime.max.replace(tzinfo=UTC))
def test_any_text_is_a_duration_from_any_moment_on_or_is_refused(text: str, start: datetime) -> None:
    duration = outcome(ValueError, parse_duration, text)
    if not isinstance(duration, ValueError):
        assert min(start, LATEST) <= add_duration(start, duration) <= LATEST
