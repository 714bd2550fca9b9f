"""Time: what orders facts, what comes late, what ends a consent: R14 to R17, CORE 6 and 7."""

from __future__ import annotations

from datetime import timedelta

import pytest

from consent_service.domain.consent import decide, effective_time
from consent_service.domain.errors import InvalidValue
from consent_service.domain.records import SubjectFlags
from consent_service.domain.values import Cause, Channel, Status
from tests.builders import MOMENT, Pair, a_claim, a_purpose, a_version, an_id, day
from tests.domain.stories import tell

NOW = day(10)
MINUTE = timedelta(minutes=1)

#: Whose `occurred_at` orders facts, and what happens to one that lies ahead of us by so much.
CLOCKS = """
         earlier   5m-ahead  more
web      recorded  recorded  recorded
api      recorded  recorded  refused
email    occurred  recorded  refused
phone    occurred  recorded  refused
paper    occurred  recorded  refused
import   occurred  recorded  refused
"""
AHEAD = {"earlier": timedelta(days=-3), "5m-ahead": 5 * MINUTE, "more": 5 * MINUTE + MOMENT}


@pytest.mark.parametrize("line", CLOCKS.strip().splitlines()[1:])
def test_whose_clock_is_believed(line: str) -> None:
    """R14, CORE 6: five minutes ahead is clamped, more is refused; a browser's wrong clock is only evidence."""
    channel, *expected = line.split()
    for ahead, outcome in zip(AHEAD.values(), expected, strict=True):
        claim = a_claim("grant", NOW, channel=Channel(channel), occurred_at=NOW + ahead, has_evidence=True)
        if outcome == "refused":
            with pytest.raises(InvalidValue) as refusal:
                decide(SubjectFlags(), None, claim, a_purpose())
            assert refusal.value.pointer == "/occurred_at"
        else:
            at = NOW if outcome == "recorded" else NOW + ahead
            verdict = decide(SubjectFlags(), None, claim, a_purpose())
            assert (verdict.effective_at, verdict.state.since) == (at, at)


def test_without_a_time_of_its_own_a_command_is_the_latest() -> None:
    """R14."""
    for channel in Channel:
        assert effective_time(a_claim("withdraw", NOW, channel=channel)) == NOW


ENDINGS = """
2026-01-31  P1M    2026-02-28
2024-01-31  P1M    2024-02-29
2024-02-29  P1Y    2025-02-28
2024-02-29  P4Y    2028-02-29
2026-03-31  P3Y    2029-03-31
2026-08-31  P6M    2027-02-28
2026-01-31  P1M1D  2026-03-01
"""


@pytest.mark.parametrize("line", ENDINGS.strip().splitlines())
def test_a_consent_ends_by_the_calendar(line: str) -> None:
    """R17: from the effective time, in UTC, clamped to the month's end; also where it is recorded later."""
    given, renew_after, ends = line.split()
    start, end = (day(0).fromisoformat(f"{date}T23:30:00+00:00") for date in (given, ends))
    pair = Pair(a_purpose(a_version(effective_from=start, renew_after=renew_after)))
    recorded = start + timedelta(days=1)
    claim_by_mail = {"channel": Channel.PAPER, "occurred_at": start.astimezone()}
    assert pair.says("grant", recorded, **claim_by_mail).until == end


def test_a_consent_is_expired_at_the_very_moment_of_its_end() -> None:
    """R17, CORE 7: `since` is then the passed `until`, and nothing more ends."""
    pair = Pair(a_purpose(a_version(renew_after="P10D")))
    pair.says("grant", day(0))
    before, at = pair.permission(day(10) - MOMENT), pair.permission(day(10))
    assert (before.allowed, before.status, before.until) == (True, Status.GIVEN, day(10))
    assert (at.allowed, at.status, at.until) == (False, Status.EXPIRED, None)
    assert (pair.reads(day(10)).since, pair.reads(day(10)).until) == (day(10), None)


EARLIER_END = """
P99D   99
P100D  100
P101D  100
"""


@pytest.mark.parametrize("line", EARLIER_END.strip().splitlines())
def test_of_two_endings_the_earlier_counts(line: str) -> None:
    """R4, R17, CORE 7: the material change comes on day 100."""
    renew_after, since = line.split()
    pair = Pair(a_purpose(a_version(1, renew_after=renew_after), a_version(2)))
    pair.says("grant", day(0))
    reads = pair.reads(day(300))
    assert reads.since == day(int(since))
    assert reads.status == ("invalidated" if renew_after == "P101D" else "expired")


SWEEPING = """
0   grant v1                          -> given yes until 10
11  expire system of 10               -> expired no
12  expire system of 10               -> = expired no
13  reads                             -> expired since 10 no
14  grant v1                          -> given yes until 24
15  expire system of 10               -> given yes until 24 superseded
100 grant v2                          -> given yes until 110 v2
200 reads                             -> expired since 110 no v2
200 prefer topics=news                -> expired no v2 topics=news
201 expire system of 110              -> expired no v2 topics=news superseded
202 reads                             -> expired since 110 no v2 topics=news
203 grant v3                          -> given yes until 213 v3 topics=news
"""


def test_the_service_writes_expiry_down_without_changing_what_is_read() -> None:
    """R17: `expire` stands at `until`, keeps the consent's version, and applies only if nothing newer stands."""
    purpose = a_purpose(*[a_version(number, change="editorial", renew_after="P10D") for number in (1, 2, 3)])
    assert tell(SWEEPING, purpose) == SWEEPING


CHANGING = """
0    grant v1                          -> given yes
101  invalidate system of 100 changed  -> invalidated no
102  invalidate system of 100 changed  -> = invalidated no
103  reads                             -> invalidated since 100 no
104  grant paper of 50                 -> invalidated no superseded
105  reads                             -> invalidated since 100 no
106  withdraw paper of 60              -> withdrawn no
107  reads                             -> withdrawn since 60 no
"""


def test_the_service_writes_a_material_change_down_and_it_still_applies_to_late_grants() -> None:
    """CORE 4, R15: `invalidate` stands at `effective_from` of the overtaking version."""
    assert tell(CHANGING, a_purpose(a_version(1), a_version(2))) == CHANGING


def test_what_reads_the_same_before_and_after_the_service_wrote_it_down_keeps_its_name_and_moment() -> None:
    """CORE 7: version and since of an ended consent do not depend on whether the sweeper has run."""
    purpose = a_purpose(a_version(1), a_version(2))
    pair = Pair(purpose)
    pair.says("grant", day(0))
    before, read = pair.permission(day(150)), pair.reads(day(150))
    verdict = pair.says(
        "invalidate",
        day(149),
        channel=Channel.SYSTEM,
        occurred_at=day(100),
        cause=Cause.PURPOSE_CHANGED,
        has_authority=False,
    )
    assert (verdict.governing_version, verdict.state.record_id) == (2, an_id(2))
    assert (pair.permission(day(150)), pair.reads(day(150))) == (before, read)


PERMISSION_UNTIL = """
request   -> None
grant     -> 2036
withdraw  -> None
"""


@pytest.mark.parametrize("line", PERMISSION_UNTIL.strip().splitlines())
def test_a_permission_ends_only_where_it_rests_on_consent(line: str) -> None:
    """CORE 7: `until` of a permission is null for a request, though the state's own is not."""
    command, _, year = line.split()
    pair = Pair(a_purpose(a_version(renew_after="P10Y")))
    verdict = pair.says(command)
    assert str(verdict.permission.until and verdict.permission.until.year) == year
    assert (verdict.until is None) == (command == "withdraw")


def test_a_permission_beside_consent_has_no_end() -> None:
    """CORE 7: null in every other case; the version stays the standing record's."""
    pair = Pair(
        a_purpose(a_version(1, renew_after="P900D"), a_version(2, legal_bases="contract", change="editorial"))
    )
    pair.says("grant", day(0))
    answer = pair.permission(day(150))
    assert (answer.allowed, answer.reason, answer.status) == (True, "not_consent_based", "given")
    assert (answer.until, answer.version) == (None, 1)


def test_of_an_unknown_state_the_version_is_the_current_one_and_nothing_has_a_moment() -> None:
    """CORE 7: also where preferences or a lifted objection are stored."""
    both = "consent legitimate_interests"
    pair = Pair(a_purpose(a_version(1, legal_bases=both), a_version(2, legal_bases=both, change="editorial")))
    for at, command in ((day(0), "prefer"), (day(1), "object"), (day(2), "lift-objection")):
        verdict = pair.says(command, at)
    assert (verdict.status, verdict.state.record_id) == (Status.UNKNOWN, an_id(3))
    assert pair.permission(day(50)).version == 1
    assert pair.permission(day(150)).version == 2
    assert (pair.reads(day(150)).since, pair.reads(day(150)).until) == (None, None)
