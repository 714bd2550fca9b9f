"""Who owes an acknowledgement of which record (R34).

A story is told line by line: `DAY COMMAND WORDS -> who owes`, where `-` is nobody. Words as in `stories.py`: `v2` the
version, `of 3` occurred on day 3 and told on paper, `changed` the service's own invalidation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from consent_service.domain.propagation import (
    Granted,
    granted_first,
    propagate,
)
from consent_service.domain.purposes import Purpose, PurposeVersion, Recipient
from consent_service.domain.records import Claim, Record, Verdict
from consent_service.domain.values import Cause, Channel, Command
from tests.builders import Pair, a_claim, a_purpose, a_version, an_id, day

KNOWN_SINCE = day(-10)


def named(*slugs: str, **deadlines: str) -> tuple[Recipient, ...]:
    return tuple(
        Recipient(slug=slug, name=slug, role="processor", deadline=deadlines.get(slug)) for slug in slugs
    )


def version(number: int, *slugs: str, change: str = "editorial", **content: Any) -> PurposeVersion:
    return a_version(number, change=change, recipients=named(*slugs), **content)


class Followed(Pair):
    """A pair whose records are propagated."""

    granted: Granted | None = None

    def owes(self, command: str, at: datetime, **fields: Any) -> dict[str, datetime] | None:
        """Who owes an acknowledgement of the record, by when; None where there is no record."""
        claim = a_claim(
            Command(command),
            at,
            record_id=an_id(len(self.facts) + 1),
            sequence=len(self.facts) + 1,
            **fields,
        )
        verdict = self.hears(claim)
        if not verdict.appended:
            return None
        before = self.granted
        if before is None:
            before = granted_first(self.purpose, KNOWN_SINCE, at)
        self.granted, duties = propagate(before, a_record(claim, verdict), self.purpose)
        assert len({duty.recipient for duty in duties}) == len(duties)
        return {duty.recipient: duty.due_at for duty in duties}


def a_record(claim: Claim, verdict: Verdict) -> Record:
    """As the write path makes it, without what is hashed."""
    return Record(
        record_id=claim.record_id,
        controller="ansettr",
        subject_id=an_id(77),
        sequence=claim.sequence,
        purpose="nyhetsbrev",
        command=claim.command,
        status=verdict.status,
        version=verdict.version,
        governing_version=verdict.governing_version,
        recorded_at=claim.recorded_at,
        occurred_at=claim.occurred_at,
        effective_at=verdict.effective_at,
        until=verdict.until,
        allowed=verdict.permission.allowed,
        reason=verdict.permission.reason,
        cause=claim.cause,
        superseded=verdict.superseded,
        preferences=claim.preferences,
        language=None,
        notice_hash=None,
        channel=claim.channel,
        source=None,
        choice_id=None,
        screen_hash=None,
        actor_commitment=None,
        evidence_commitment=None,
        previous_hash=b"",
        record_hash=b"",
        standing_version=verdict.permission.version,
    )


def tell(story: str, purpose: Purpose) -> str:
    """The story again, with who really owes; equal to `story` where all is as told."""
    pair, lines = Followed(purpose), []
    for line in story.strip().splitlines():
        said, _, _ = line.partition("->")
        at, command, *words = said.split()
        owed = pair.owes(command, day(float(at)), **_fields(words))
        lines.append(f"{said.strip()} -> {'=' if owed is None else ' '.join(sorted(owed)) or '-'}")
    return "\n".join(lines)


def _fields(words: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for place, word in enumerate(words):
        if word.startswith("v"):
            fields["version"] = int(word[1:])
        elif word == "of":
            fields |= {"occurred_at": day(float(words[place + 1])), "channel": Channel.PAPER}
            fields |= {"has_evidence": True}
        elif word == "changed":
            fields |= {"cause": Cause.PURPOSE_CHANGED, "channel": Channel.SYSTEM, "occurred_at": day(100)}
        elif word == "ended":
            fields |= {"channel": Channel.SYSTEM, "occurred_at": day(float(words[place + 1]))}
    return fields


def lines(story: str) -> str:
    return "\n".join(line.strip() for line in story.strip().splitlines())


#: What it shows, the versions' recipients, and the story. Versions after the first are in effect from day 100, 200 ...
STORIES: dict[str, tuple[tuple[PurposeVersion, ...], str]] = {
    "a yes and a no, each once": (
        (version(1, "a", "b"),),
        """
        1 grant -> a b
        2 grant -> -
        3 withdraw -> a b
        4 refuse -> =
        5 grant -> a b
        """,
    ),
    "a no where there never was a yes": (
        (version(1, "a"),),
        """
        1 refuse -> -
        2 withdraw -> =
        4 grant -> a
        5 revoke -> a
        6 defer -> -
        """,
    ),
    "asking is no yes": (
        (version(1, "a", double_opt_in=True),),
        """
        1 request -> -
        2 confirm -> a
        3 withdraw -> a
        """,
    ),
    "a recipient that was dropped must still stop": (
        (version(1, "a", "b"), version(2, "b")),
        """
        1 grant -> a b
        110 grant v2 -> -
        120 withdraw -> a b
        130 grant v2 -> b
        140 withdraw -> b
        """,
    ),
    "a recipient that came later owes nothing older": (
        (version(1, "a"), version(2, "a", "b")),
        """
        1 grant -> a
        110 withdraw -> a
        120 grant v2 -> a b
        130 withdraw -> a b
        """,
    ),
    "a recipient of a version granted again has to stop too": (
        (version(1, "a"), version(2, "a", "b")),
        """
        1 grant -> a
        110 grant v2 -> -
        120 withdraw -> a b
        """,
    ),
    "a material change": (
        (version(1, "a"), version(2, "b", change="material")),
        """
        1 grant -> a
        110 invalidate changed -> a
        120 grant v2 -> b
        """,
    ),
    "a material change that the person answers before the service has told it": (
        (version(1, "a"), version(2, "b", change="material")),
        """
        1 grant -> a
        120 grant v2 -> -
        130 withdraw -> a b
        """,
    ),
    "an end that is told": (
        (version(1, "a", renew_after="P10D"),),
        """
        1 grant -> a
        20 expire ended 11 -> a
        21 grant -> a
        """,
    ),
    "an end that a person overtakes": (
        (version(1, "a", renew_after="P10D"),),
        """
        1 grant -> a
        20 refuse -> a
        """,
    ),
    "a late no": (
        (version(1, "a"),),
        """
        2 grant -> a
        3 withdraw of 1 -> -
        4 withdraw of 2.5 -> a
        """,
    ),
    "a late yes": (
        (version(1, "a"),),
        """
        2 withdraw -> -
        3 grant of 1 -> -
        4 grant of 2.5 -> a
        """,
    ),
    "a late yes to another version": (
        (version(1, "a"), version(2, "b")),
        """
        110 grant v2 -> b
        120 grant v1 of 50 -> -
        130 withdraw -> a b
        """,
    ),
    "interests are allowed before anybody spoke": (
        (version(1, "a", "b", legal_bases="legitimate_interests"),),
        """
        1 object -> a b
        2 lift-objection -> a b
        3 object -> a b
        """,
    ),
    "interests: who was dropped since the person is known must still stop": (
        (
            version(1, "a", "b", legal_bases="legitimate_interests"),
            version(2, "b", legal_bases="legitimate_interests"),
            version(3, "b", "c", legal_bases="legitimate_interests", change="material"),
        ),
        """
        210 object -> a b c
        220 lift-objection -> b c
        """,
    ),
    "interests: preferences alone flip nothing": (
        (
            version(1, "a", legal_bases="legitimate_interests"),
            version(2, "b", legal_bases="legitimate_interests"),
        ),
        """
        1 prefer -> -
        110 object -> a b
        """,
    ),
    "a contract goes on": (
        (version(1, "a", legal_bases="contract legitimate_interests"),),
        """
        1 object -> -
        2 lift-objection -> -
        """,
    ),
    "no basis": (
        (version(1, "a", legal_bases=""),),
        """
        1 withdraw -> -
        """,
    ),
    "a consent beside interests": (
        (version(1, "a", legal_bases="consent legitimate_interests"),),
        """
        1 object -> -
        2 grant -> a
        3 object -> a
        """,
    ),
    "interests that become consent": (
        (
            version(1, "a", legal_bases="legitimate_interests"),
            version(2, "b", legal_bases="consent", change="material"),
        ),
        """
        110 grant v2 -> b
        120 withdraw -> b
        """,
    ),
    "nobody": (
        (version(1),),
        """
        1 grant -> -
        2 withdraw -> -
        """,
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_R34_who_owes_an_acknowledgement(name: str) -> None:
    versions, story = STORIES[name]

    assert tell(story, a_purpose(*versions)) == lines(story)


def test_R34_before_the_first_version_nothing_is_allowed() -> None:
    purpose = a_purpose(a_version(legal_bases="legitimate_interests", effective_from=day(10)))

    assert granted_first(purpose, KNOWN_SINCE, day(1)) == ()
    assert granted_first(purpose, KNOWN_SINCE, day(11)) == (1,)


def test_interests_of_a_person_who_came_later_concern_no_earlier_version() -> None:
    versions = [
        a_version(1, recipients=named("a"), legal_bases="legitimate_interests", effective_from=day(-30)),
        version(2, "b", legal_bases="legitimate_interests", effective_from=day(-20)),
    ]

    assert tell("1 object -> b", a_purpose(*versions)) == "1 object -> b"


def test_R34_each_recipient_has_the_deadline_of_the_latest_version_concerned() -> None:
    first = a_version(1, recipients=named("a", "b", "c", a="PT15M", b="P2D", c="PT1S"))
    second = a_version(2, change="editorial", recipients=named("a", "b", a="P1M"))
    pair = Followed(a_purpose(first, second))

    granted = pair.owes("grant", day(1))
    pair.owes("grant", day(110), version=2)
    withdrawn = pair.owes("withdraw", day(120))

    assert granted == {
        "a": day(1) + timedelta(minutes=15),
        "b": day(3),
        "c": day(1) + timedelta(seconds=1),
    }
    assert withdrawn == {
        "a": day(151),
        "b": day(120) + timedelta(hours=1),
        "c": day(120) + timedelta(seconds=1),
    }
