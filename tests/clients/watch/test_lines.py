"""How a change looks to people, what is said of the stream's lag, and what one message of the topic is."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from consent_client.model import Change, Heartbeat
from consent_client.watch.lag import Lag
from consent_client.watch.view import View
from consent_client.words import Command, Reason, Status

from consent_service.http.examples import CHANGE
from tests.builders import an_id

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def a_change(**fields: Any) -> Change:
    return Change(
        **{
            "record_id": an_id(1),
            "controller": "ansettr",
            "subject_id": an_id(0xABCDEF12),
            "sequence": 2,
            "purpose": "nyhetsbrev",
            "command": Command.WITHDRAW,
            "status": Status.WITHDRAWN,
            "allowed": False,
            "reason": Reason.WITHDRAWN,
            "until": None,
            "version": 1,
            "standing_version": 1,
            "governing_version": 1,
            "legal_bases": (),
            "preferences": None,
            "source": None,
            "recorded_at": NOW,
            "occurred_at": None,
            "effective_at": NOW,
            "cause": None,
            "superseded": False,
            "replayed": False,
            "ledger_epoch": 1,
            **fields,
        }
    )


def line(**fields: Any) -> str:
    """As it is shown, with single blanks and without its time."""
    shown = io.StringIO()
    View(shown, io.StringIO(), as_json=False, colour=False).change(a_change(**fields))
    return " ".join(shown.getvalue().split()[2:])


def test_a_line_tells_who_what_and_what_stands() -> None:
    assert line() == "ansettr nyhetsbrev …abcdef12 withdraw → withdrawn not allowed (withdrawn)"
    assert line(status=Status.OBJECTED, allowed=True, reason=Reason.NOT_CONSENT_BASED).endswith(
        "→ objected allowed (not_consent_based)"
    )
    assert line(superseded=True, replayed=True).endswith("superseded, replayed")
    assert line(command=None, status=None, reason=None).endswith("? → ? not allowed (?)")


def test_a_record_about_the_person_as_a_whole_has_no_result() -> None:
    whole = line(purpose=None, status=None, reason=None, command=Command.RESTRICT)

    assert whole == "ansettr (the whole person) …abcdef12 restrict"


def test_json_has_the_members_of_the_feed_and_no_remarks() -> None:
    shown, remarks = io.StringIO(), io.StringIO()
    view = View(shown, remarks, as_json=True, colour=True)
    view.remark("the stream is up to date")
    view.change(a_change())

    assert remarks.getvalue() == ""
    assert msgspec.json.decode(shown.getvalue()).keys() == {**CHANGE, "traceparent": None}.keys()


def beat(group: int, at: datetime, behind_s: float = 0) -> Heartbeat:
    return Heartbeat(
        shard_group=group,
        shard_groups=8,
        at=at,
        oldest_unpublished=timedelta(seconds=behind_s),
        ledger_epoch=1,
    )


@pytest.mark.parametrize("spoiled", ["silent", "behind"])
def test_the_group_that_is_furthest_behind_decides_and_news_is_told_once(spoiled: str) -> None:
    lag = Lag()
    assert lag.news(NOW) is None
    for group in (0, 1):
        lag.hear(group, beat(group, NOW))
    assert [lag.news(NOW), lag.news(NOW)] == ["the stream is up to date", None]

    later = NOW + timedelta(seconds=20)
    lag.hear(0, beat(0, later))
    if spoiled == "behind":
        lag.hear(1, beat(1, later, 20))
    assert [lag.news(later), lag.news(later)] == ["the stream is 20 s behind", None]

    lag.hear(1, beat(1, later))
    assert lag.news(later) == "the stream is up to date"
