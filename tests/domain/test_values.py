"""The closed vocabularies and text forms: PRODUCT, API, CORE 14 and 18."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from consent_service.domain.values import (
    CALLER_COMMANDS,
    Command,
    Reason,
    Status,
    format_time,
    is_code,
    is_slug,
)

TIMES = [
    (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006Z"),
    (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000000Z"),
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T22:00:00.000000Z"),
    (datetime(999, 1, 2, tzinfo=UTC), "0999-01-02T00:00:00.000000Z"),
    (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
]


@pytest.mark.parametrize(("time", "text"), TIMES)
def test_a_time_has_one_text_form(time: datetime, text: str) -> None:
    """CORE 18: six digits and Z, four digits for every year, so that texts order like times."""
    assert format_time(time) == text
    assert datetime.fromisoformat(text) == time


def test_a_caller_may_say_everything_about_one_purpose_but_expire() -> None:
    """API, R12, R13."""
    said = "request confirm grant refuse defer withdraw object lift-objection prefer revoke invalidate"
    assert " ".join(CALLER_COMMANDS) == said
    assert Command.EXPIRE not in CALLER_COMMANDS


def test_every_status_but_unknown_can_be_the_reason_of_a_no() -> None:
    """API: `permission.reason`; unknown reads `no_record` (CORE 1)."""
    reasons = set(Reason)
    assert {status.value for status in Status} - {"unknown"} <= {reason.value for reason in reasons}
    assert "unknown" not in {reason.value for reason in reasons}


SLUGS = {"a": True, "9a-b": True, "a" * 64: True, "": False, "-a": False, "a" * 65: False, "A": False}
CODES = {"a": True, "-": True, "a" * 40: True, "": False, "a" * 41: False, "a_b": False, "a\n": False}


def test_what_a_slug_and_a_code_look_like() -> None:
    """CORE 14."""
    assert {text: is_slug(text) for text in SLUGS} == SLUGS
    assert {text: is_code(text) for text in CODES} == CODES
    assert not any(is_slug(text) for text in ("å", "a b", "a\n", "a_b", "a.b", "٣"))
