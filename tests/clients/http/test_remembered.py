"""What `resolve` keeps: so many, so long, absence only briefly."""

from __future__ import annotations

import time

import pytest
from consent_client.http import remembered
from consent_client.http.remembered import Remembered

from tests.builders import an_id


def test_the_oldest_is_forgotten_first() -> None:
    held = Remembered(count_max=2, age_s=60)
    for number in (1, 2, 1, 3):
        held.keep("email", f"{number}@example.org", an_id(number))

    assert [held.get("email", f"{number}@example.org") for number in (1, 2, 3)] == [
        (an_id(1),),
        None,
        (an_id(3),),
    ]
    assert held.get("phone", "1@example.org") is None
    assert len(held) == 2


def test_absence_is_forgotten_earlier_than_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    held = Remembered(count_max=9, age_s=60)
    held.keep("email", "known", an_id(1))
    held.keep("email", "unknown", None)

    assert (held.get("email", "known"), held.get("email", "unknown")) == ((an_id(1),), (None,))
    now = remembered.ABSENT_S
    assert (held.get("email", "known"), held.get("email", "unknown")) == ((an_id(1),), None)
    now = 60.0
    assert held.get("email", "known") is None


def test_nothing_is_kept_where_nothing_may_be() -> None:
    held = Remembered(count_max=0, age_s=60)
    held.keep("email", "known", an_id(1))

    assert held.get("email", "known") is None
