"""What a command may say and what it then does: R8 to R12, CORE 3 to 5, 8, 12 and 14."""

from __future__ import annotations

from datetime import timedelta

import pytest

from consent_service.domain.consent import decide
from consent_service.domain.errors import (
    ConfirmationNeeded,
    Erased,
    EvidenceRequired,
    InvalidValue,
    UnknownReference,
    VersionOvertaken,
)
from consent_service.domain.records import Preferences, SubjectFlags
from consent_service.domain.values import Channel
from tests.builders import MOMENT, Pair, a_claim, a_purpose, a_state, a_version, an_id, day
from tests.domain.stories import tell

AGAIN = """
0     grant                -> given yes until 365
0.9   grant                -> = given yes until 365
0.9   grant topics=news    -> renewed yes until 365.9 topics=news
1.8   grant topics=news    -> = renewed yes until 365.9 topics=news
1.8   grant                -> = renewed yes until 365.9 topics=news
1.8   grant topics=        -> renewed yes until 366.8 topics=
2.7   grant                -> = renewed yes until 366.8 topics=
2.8   grant                -> renewed yes until 367.8 topics=
3     withdraw             -> withdrawn no topics=
4     withdraw             -> = withdrawn no topics=
5     grant                -> given yes until 370 topics=
370   reads                -> expired since 370 no topics=
371   grant                -> given yes until 736 topics=
371.5 grant v2             -> renewed yes until 736.5 v2 topics=
371.6 grant v2             -> = renewed yes until 736.5 v2 topics=
371.7 grant v1             -> renewed yes until 736.7 topics=
372   invalidate           -> invalidated no topics=
372.1 grant                -> given yes until 737.1 topics=
"""


def test_a_grant_said_again_renews_unless_nothing_in_it_is_new() -> None:
    """R8: another day, version or preference makes it new; after an end it is `given` again."""
    purpose = a_purpose(
        a_version(1, renew_after="P365D"), a_version(2, change="editorial", renew_after="P365D")
    )
    assert tell(AGAIN, purpose) == AGAIN


def test_a_grant_is_the_same_one_for_less_than_a_day() -> None:
    """R8: 24 hours later to the microsecond it is a new one, counted from the last renewal."""
    a_day = timedelta(hours=24)
    pair = Pair()
    pair.says("grant", day(0))
    assert not pair.says("grant", day(0) + a_day - MOMENT).appended
    assert pair.says("grant", day(0) + a_day).status == "renewed"
    assert not pair.says("grant", day(0) + a_day * 2 - MOMENT).appended
    assert pair.says("grant", day(0) + a_day * 2).appended


def test_a_grant_that_names_no_preferences_in_so_many_words_is_the_same_grant() -> None:
    """R8: an empty object says no more than leaving it out."""
    pair = Pair()
    pair.says("grant", day(0))

    assert not pair.says("grant", day(0.1), preferences=Preferences()).appended


def test_the_standing_record_answers_what_was_said_before() -> None:
    """R8, CORE 9: a repeated `prefer` is answered by that record, every other repetition by the status's own."""
    pair = Pair()
    pair.says("grant")
    pair.says("prefer", day(0.2))
    assert pair.says("grant", day(0.5)).standing == an_id(1)
    assert pair.says("prefer", day(2)).standing == an_id(2)
    assert pair.says("request", day(2)).standing == an_id(1)
    assert len(pair.facts) == 2


PROTECTION = """
0  withdraw   -> withdrawn no
1  grant      -> given yes
2  refuse     -> withdrawn no
3  grant      -> given yes
4  request    -> = given yes
5  defer      -> = given yes
6  revoke     -> revoked no
7  refuse     -> refused no
8  defer      -> = refused no
9  revoke     -> = refused no
10 withdraw   -> = refused no
"""


def test_who_says_no_is_always_heard() -> None:
    """R9: also with nothing to withdraw; asking and deferring never lower a permission or replace a refusal."""
    assert tell(PROTECTION) == PROTECTION


CONFIRMING = """
0    grant web             -> confirmation-needed
0    grant email evidence  -> confirmation-needed
0    confirm               -> not-possible-now
0    grant paper           -> evidence-required
0    request               -> requested no until 7
1    request               -> = requested no until 7
2    grant api             -> confirmation-needed
3    confirm v2            -> invalid-value
4    confirm               -> given yes
4.5  grant web             -> = given yes
6    grant web             -> renewed yes
7    withdraw              -> withdrawn no
8    grant web             -> confirmation-needed
8.5  grant email of 6.5    -> evidence-required
9    request               -> requested no until 16
16   reads                 -> expired since 16 no
16   confirm               -> not-possible-now
17   grant phone           -> evidence-required
17   grant phone evidence  -> given yes
18   withdraw              -> withdrawn no
99   request v1            -> requested no until 106
100  request v2            -> requested no until 107 v2
101  confirm v1            -> invalid-value
102  confirm               -> given yes v2
196  withdraw              -> withdrawn no v2
197  request v2            -> requested no until 204 v2
200  reads                 -> invalidated since 200 no v2
201  confirm               -> not-possible-now
"""


def test_double_opt_in_from_asking_to_confirming() -> None:
    """R10, CORE 3, CORE 2 (a): a confirmation that is late or overtaken is not possible."""
    purpose = a_purpose(
        a_version(1, double_opt_in=True),
        a_version(2, double_opt_in=True, change="editorial"),
        a_version(3, double_opt_in=True),
    )
    assert tell(CONFIRMING, purpose) == CONFIRMING


def test_asking_first_is_possible_where_nobody_demands_it() -> None:
    """CORE 3: `request` under any `confirmation`; then a grant needs no confirmation."""
    asked = Pair(a_purpose(a_version(confirm_within="PT2H")))
    assert asked.says("request").until == day(0) + timedelta(hours=2)
    assert asked.says("grant").status == "given"


@pytest.mark.parametrize(("status", "first"), [("unknown", "request"), ("requested", "confirm")])
def test_who_must_confirm_is_told_how(status: str, first: str) -> None:
    """R10, CORE 3: the 409 names the command that comes first."""
    purpose = a_purpose(a_version(double_opt_in=True))
    with pytest.raises(ConfirmationNeeded) as refusal:
        decide(SubjectFlags(), a_state(status), a_claim("grant", day(1)), purpose)
    assert refusal.value.members() == {"possible": [first]}


PREFERRING = """
0    prefer topics=news      -> unknown no no_record topics=news
1    prefer topics=news      -> = unknown no no_record topics=news
2    grant                   -> given yes until 12 topics=news
3    prefer topics=jobs      -> given yes until 12 topics=jobs
4    reads                   -> given since 2 yes until 12 topics=jobs
12   prefer channels=sms     -> expired no channels=sms
13   reads                   -> expired since 12 no channels=sms
14   withdraw                -> withdrawn no channels=sms
15   prefer topics=          -> withdrawn no topics=
16   prefer frequency=weekly -> withdrawn no frequency=weekly
"""


def test_preferences_alone_move_nothing_else() -> None:
    """R11, CORE 7."""
    assert tell(PREFERRING, a_purpose(a_version(renew_after="P10D"))) == PREFERRING


NOT_OFFERED = {
    "topics=cars": "/preferences/topics",
    "topics=jobs,cars": "/preferences/topics",
    "channels=pigeon": "/preferences/channels",
    "channels=email topics=news frequency=hourly": "/preferences/frequency",
}


@pytest.mark.parametrize("words", NOT_OFFERED)
@pytest.mark.parametrize("command", ["grant", "prefer", "withdraw"])
def test_a_preference_that_is_not_offered_is_refused_by_name(command: str, words: str) -> None:
    """CORE 14."""
    said = dict(word.split("=") for word in words.split())
    frequency = said.pop("frequency", None)
    chosen = Preferences(
        frequency=frequency, **{name: tuple(codes.split(",")) for name, codes in said.items()}
    )
    with pytest.raises(InvalidValue) as refusal:
        decide(SubjectFlags(), None, a_claim(command, preferences=chosen), a_purpose())
    assert refusal.value.pointer == NOT_OFFERED[words]


def test_preferring_without_preferences_says_nothing() -> None:
    """R11."""
    with pytest.raises(InvalidValue) as refusal:
        decide(SubjectFlags(), None, a_claim("prefer", preferences=None), a_purpose())
    assert refusal.value.pointer == "/preferences"


OPERATORS = """
0  grant                    -> given yes
1  invalidate no-authority  -> evidence-required
2  invalidate               -> invalidated no
3  invalidate no-authority  -> evidence-required
4  invalidate               -> = invalidated no
5  revoke                   -> revoked no
"""


def test_an_authority_invalidates_only_with_its_reference() -> None:
    """R12, CORE 4: authority and reference are needed whatever stands."""
    assert tell(OPERATORS) == OPERATORS


DEFAULT_VERSION = """
grant v1    withdraw  -> 1
request v1  confirm   -> 1
request v1  withdraw  -> 1
grant v1    prefer    -> 1
grant v1    object    -> 1
refuse      withdraw  -> -
refuse      prefer    -> 2
withdraw    object    -> 2
grant v3    withdraw  -> 3
defer       refuse    -> 2
"""


@pytest.mark.parametrize("line", DEFAULT_VERSION.strip().splitlines())
def test_a_command_is_about_the_standing_consent_else_about_the_current_version(line: str) -> None:
    """CORE 8; version 3 is named though 2 would be current."""
    said, _, expected = line.partition(" -> ")
    *first, second = said.split()
    interests = "consent legitimate_interests"
    purpose = a_purpose(
        a_version(1, legal_bases=interests),
        a_version(2, legal_bases=interests, change="editorial", effective_from=day(5)),
        a_version(3, legal_bases=interests, change="editorial", effective_from=day(8)),
    )
    pair = Pair(purpose)
    named = {"version": int(first[1][1:])} if len(first) > 1 else {}
    when = day(8) if named.get("version") == 3 else day(1)
    pair.says(first[0], when, **named)
    verdict = pair.says(second, max(when, day(6)))
    assert (str(verdict.version) if verdict.appended else "-") == expected.strip()


def test_an_expired_consent_is_no_standing_one() -> None:
    """CORE 8: the default is the current version then."""
    pair = Pair(a_purpose(a_version(1, renew_after="P10D"), a_version(2, change="editorial")))
    pair.says("grant", day(0))
    assert pair.says("withdraw", day(101)).version == 2


@pytest.mark.parametrize("command", ["grant", "request"])
def test_what_was_shown_must_be_named(command: str) -> None:
    """CORE 8."""
    with pytest.raises(InvalidValue) as refusal:
        decide(SubjectFlags(), None, a_claim(command, version=None), a_purpose())
    assert refusal.value.pointer == "/version"


@pytest.mark.parametrize("version", [0, -1, 2, 10**9])
@pytest.mark.parametrize("command", ["grant", "withdraw", "prefer"])
def test_a_version_that_does_not_exist_is_refused(command: str, version: int) -> None:
    """API: 422."""
    with pytest.raises(UnknownReference) as refusal:
        decide(SubjectFlags(), None, a_claim(command, version=version), a_purpose())
    assert refusal.value.pointer == "/version"


@pytest.mark.parametrize("command", ["grant", "request"])
def test_a_version_to_come_cannot_be_agreed_to(command: str) -> None:
    """CORE 5: 422 until the very moment it is in effect."""
    purpose = a_purpose(a_version(1), a_version(2, effective_from=day(5)))
    with pytest.raises(InvalidValue) as refusal:
        decide(SubjectFlags(), None, a_claim(command, day(5) - MOMENT, version=2), purpose)
    assert refusal.value.pointer == "/version"
    assert decide(SubjectFlags(), None, a_claim(command, day(5), version=2), purpose).appended


LANGUAGES = """
grant     nb       -> nb
grant     nb-NO    -> nb
grant     EN-gb    -> en
grant     sv       -> refused
request   no       -> refused
withdraw  sv       -> none
refuse    en-US    -> en
grant     absent   -> none
"""


@pytest.mark.parametrize("line", LANGUAGES.strip().splitlines())
def test_the_language_is_looked_up_among_the_notices(line: str) -> None:
    """CORE 8: no match is 422 only for grant and request."""
    command, asked, _, expected = line.split()
    claim = a_claim(command, language_asked=None if asked == "absent" else asked)
    if expected == "refused":
        with pytest.raises(InvalidValue) as refusal:
            decide(SubjectFlags(), None, claim, a_purpose())
        assert refusal.value.pointer == "/language"
    else:
        assert str(decide(SubjectFlags(), None, claim, a_purpose()).language).lower() == expected


def test_a_version_overtaken_names_the_one_to_show() -> None:
    """CORE 12, R16."""
    purpose = a_purpose(a_version(1), a_version(2), a_version(3, change="editorial"))
    with pytest.raises(VersionOvertaken) as refusal:
        decide(SubjectFlags(), None, a_claim("grant", day(300)), purpose)
    assert refusal.value.members() == {"current_version": 3}


def test_what_is_never_acceptable_comes_before_an_erased_person_and_that_before_not_now() -> None:
    """CORE 12: 422, 410, 409."""
    erased = SubjectFlags(erased_at=day(0))
    purpose = a_purpose(a_version(1), a_version(2))
    with pytest.raises(InvalidValue):
        decide(erased, None, a_claim("grant", day(1), version=2), purpose)
    with pytest.raises(Erased):
        decide(erased, None, a_claim("grant", day(101), version=1), purpose)
    with pytest.raises(VersionOvertaken):
        decide(SubjectFlags(), None, a_claim("grant", day(101), version=1), purpose)


@pytest.mark.parametrize("channel", [Channel.IMPORT, Channel.PAPER, Channel.PHONE, Channel.WEB, Channel.API])
def test_an_imported_grant_needs_evidence_and_an_imported_refusal_none(channel: Channel) -> None:
    """R16."""
    if channel is Channel.IMPORT:
        with pytest.raises(EvidenceRequired) as refusal:
            decide(SubjectFlags(), None, a_claim("grant", channel=channel), a_purpose())
        assert refusal.value.pointer == "/evidence"
    else:
        assert decide(SubjectFlags(), None, a_claim("grant", channel=channel), a_purpose()).appended
    proven = a_claim("grant", channel=channel, has_evidence=True)
    assert decide(SubjectFlags(), None, proven, a_purpose()).appended
    assert decide(SubjectFlags(), None, a_claim("refuse", channel=channel), a_purpose()).appended
