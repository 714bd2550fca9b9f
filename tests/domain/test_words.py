"""Which words of recipients are believed, and what they settle (R34)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from consent_service.domain.errors import ConsentError
from consent_service.domain.propagation import (
    ACCEPTED_MAX,
    SETTLING,
    AckOutcome,
    Reached,
    Word,
    judge,
    recipients_of,
)
from consent_service.domain.purposes import Purpose
from tests.builders import MOMENT, a_purpose, an_id, day
from tests.domain.test_propagation import version


def a_word(outcome: str = "stopped", **fields: Any) -> Word:
    said = {
        "controller": "ansettr",
        "recipient": "a",
        "record_id": an_id(1),
        "outcome": AckOutcome(outcome),
        "at": day(5),
    }
    return Word(**{**said, **fields})


def refused(word: Word, reached: Reached | None = None, purpose: Purpose | None = None) -> str:
    """The refusal's name and pointer, or `believed`, two days after the record."""
    reached = reached or Reached(an_id(77), 3, "nyhetsbrev", allowed=False)
    try:
        judge(word, reached, [purpose or a_purpose(version(1, "a"))], day(5))
    except ConsentError as refusal:
        return f"{type(refusal).__name__} {refusal.pointer}"
    return "believed"


YES = Reached(an_id(77), 3, "nyhetsbrev", allowed=True)
PROMISED = {"outcome": "accepted", "due_at": day(6)}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        *(({"outcome": one}, "believed") for one in ("stopped", "failed", "not_held", "erased")),
        ({"outcome": "started"}, "InvalidValue /outcome"),
        ({"recipient": "b"}, "NotARecipient /record_id"),
        ({"subject_id": an_id(77)}, "believed"),
        ({"subject_id": an_id(78)}, "NoSuchRecord /record_id"),
        ({"at": day(-900)}, "believed"),
        ({"at": day(5) + timedelta(minutes=5)}, "believed"),
        ({"at": day(5) + timedelta(minutes=5) + MOMENT}, "InvalidValue /at"),
        ({"due_at": day(6)}, "InvalidValue /due_at"),
        (PROMISED, "believed"),
        ({**PROMISED, "due_at": None}, "InvalidValue /due_at"),
        ({**PROMISED, "due_at": day(5)}, "InvalidValue /due_at"),
        ({**PROMISED, "due_at": day(5) + ACCEPTED_MAX}, "believed"),
        ({**PROMISED, "due_at": day(5) + ACCEPTED_MAX + MOMENT}, "InvalidValue /due_at"),
    ],
)
def test_R34_a_word_about_a_no_is_believed_or_refused(fields: dict[str, Any], wanted: str) -> None:
    assert refused(a_word(**fields)) == wanted


@pytest.mark.parametrize("outcome", [one for one in AckOutcome if one is not AckOutcome.ACCEPTED])
def test_R34_about_a_yes_every_outcome_is_believed(outcome: str) -> None:
    """Who stopped though it might go on does less than it may."""
    assert refused(a_word(outcome), YES) == "believed"


def test_R34_a_word_about_nothing_is_refused() -> None:
    purpose = a_purpose(version(1, "a"))
    with pytest.raises(ConsentError, match="has no such record"):
        judge(a_word(), None, [purpose], day(5))
    assert recipients_of(purpose) == {"a"}


WHOLE = Reached(an_id(77), 3, None, allowed=None)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        *(({"outcome": one}, "believed") for one in ("stopped", "failed", "not_held", "erased")),
        (PROMISED, "believed"),
        ({"recipient": "b"}, "believed"),
        ({"recipient": "c"}, "NotARecipient"),
        ({"outcome": "started"}, "InvalidValue"),
    ],
)
def test_R13_about_the_person_as_a_whole_whoever_any_purpose_names_may_speak(
    fields: dict[str, Any], wanted: str
) -> None:
    purposes = [a_purpose(version(1, "a")), a_purpose(version(1, "b"), version(2))]
    try:
        judge(a_word(**fields), WHOLE, purposes, day(5))
        found = "believed"
    except ConsentError as refusal:
        found = type(refusal).__name__

    assert found == wanted


def test_R34_who_was_dropped_may_still_speak() -> None:
    assert refused(a_word(), purpose=a_purpose(version(1, "a"), version(2, "b"))) == "believed"


def test_R34_what_settles() -> None:
    assert {one.value for one in SETTLING} == {"stopped", "started", "not_held", "erased"}
