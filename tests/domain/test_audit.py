"""What a reason is: something that people see as it was written."""

from __future__ import annotations

import pytest

from consent_service.domain.audit import read_reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "x"),
        ("  Innsynskrav 2026-17 \t", "Innsynskrav 2026-17"),
        ("på forespørsel fra Ås, 30 %", "på forespørsel fra Ås, 30 %"),
        ("x" * 200, "x" * 200),
        (" " * 300 + "x", "x"),
    ],
)
def test_a_reason_is_what_can_be_seen(text: str, reason: str) -> None:
    assert read_reason(text) == reason


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\t\n", "x" * 201),
        *("two\nlines", "a\0b", "a\tb", "\x1b[31mred", "a\x7f"),
        *("right\u202eleft", "zero\u200bwidth", "no\u00a0break", "line\u2028separator", "\ud800"),
    ],
)
def test_what_hides_something_is_no_reason(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 200 visible characters"):
        read_reason(text)
