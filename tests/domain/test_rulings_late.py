"""Facts that arrive late, and versions overtaken by the time they do: R15, R16, CORE 6, 8 and 18."""

from __future__ import annotations

import pytest

from consent_service.domain.consent import is_late
from consent_service.domain.errors import ConsentError, VersionOvertaken
from consent_service.domain.values import Channel, Status
from tests.builders import MOMENT, Pair, a_claim, a_purpose, a_state, a_version, day
from tests.domain.stories import tell

NOW = day(10)


def test_late_is_earlier_than_the_newest_fact_of_the_pair() -> None:
    """CORE 6: at the very same moment it is not late; `prefer` counts as a fact."""
    state = a_state("given", day(3), latest_at=day(5))
    paper = Channel.PAPER
    assert is_late(state, a_claim("withdraw", NOW, channel=paper, occurred_at=day(5) - MOMENT))
    assert not is_late(state, a_claim("withdraw", NOW, channel=paper, occurred_at=day(5)))
    assert not is_late(state, a_claim("withdraw", NOW, channel=Channel.WEB, occurred_at=day(1)))
    assert not is_late(None, a_claim("withdraw", NOW, channel=paper, occurred_at=day(1)))


LATE = {
    "an old grant never overrides a withdrawal": """
0   grant                        -> given yes until 365
5   withdraw                     -> withdrawn no
6   grant import of 3 evidence   -> withdrawn no superseded
7   grant import of -9 evidence  -> withdrawn no superseded
8   reads                        -> withdrawn since 5 no
""",
    "a withdrawal that arrives late overrides what came before it": """
0   grant                        -> given yes until 365
5   prefer topics=news           -> given yes until 365 topics=news
6   withdraw paper of 3          -> withdrawn no topics=news
7   reads                        -> withdrawn since 3 no topics=news
""",
    "a withdrawal that arrives late leaves a later grant": """
0   grant                        -> given yes until 365
5   withdraw                     -> withdrawn no
9   grant                        -> given yes until 374
10  withdraw email of 7          -> given yes until 374 superseded
11  refuse phone of -1           -> given yes until 374 superseded
12  reads                        -> given since 9 yes until 374
""",
    "a renewal that arrives late moves the end": """
0   grant                        -> given yes until 365
370 prefer topics=news           -> expired no topics=news
371 grant paper of 200           -> renewed yes until 565 topics=news
372 reads                        -> renewed since 200 yes until 565 topics=news
""",
    "an earlier grant turns a later one into its renewal": """
10  grant                        -> given yes until 375
11  grant import of 5 evidence   -> renewed yes until 375
12  reads                        -> renewed since 10 yes until 375
""",
    "an earlier grant that is the same one within a day changes the end": """
10  grant                        -> given yes until 375
11  grant import of 9.5 evidence -> given yes until 374.5
""",
    "late preferences take their place": """
0   prefer topics=jobs           -> unknown no no_record topics=jobs
5   grant                        -> given yes until 370 topics=jobs
6   prefer import of 3 topics=news -> given yes until 370 topics=news
7   prefer import of 1 topics=jobs -> given yes until 370 topics=news superseded
""",
    "a late fact that makes no sense there is recorded all the same": """
0   refuse                       -> refused no
5   prefer topics=news           -> refused no topics=news
6   confirm phone of 3           -> refused no topics=news superseded
7   refuse phone of 4            -> refused no topics=news superseded
8   confirm phone of -5          -> refused no topics=news superseded
""",
    "even where it is the first of all": """
5   prefer topics=news           -> unknown no no_record topics=news
6   confirm phone of 3           -> unknown no no_record topics=news superseded
7   prefer topics=news           -> = unknown no no_record topics=news
8   confirm                      -> not-possible-now
9   grant                        -> given yes until 374 topics=news
""",
    "what is never acceptable is not acceptable late": """
0   grant                        -> given yes until 365
5   withdraw                     -> withdrawn no
6   grant import of 3            -> evidence-required
6   grant import of 3 evidence v7 -> unknown-reference
6   object paper of 3            -> not-objectable
6   prefer paper of 3 topics=cars -> invalid-value
6   grant paper of 3 in sv       -> invalid-value
""",
    "of two facts at one moment the later told is the later": """
5   grant                        -> given yes until 370
6   withdraw paper of 5          -> withdrawn no
7   grant paper of 5             -> given yes until 370
8   reads                        -> given since 5 yes until 370
""",
    "late asking and confirming find each other": """
0   refuse                       -> refused no
9   prefer topics=news           -> refused no topics=news
9.5 request paper of 3           -> requested no until 10 topics=news
11  confirm phone of 4           -> given yes until 369 topics=news
""",
}


@pytest.mark.parametrize("name", LATE)
def test_late_facts_take_their_place_in_history(name: str) -> None:
    """R15, CORE 6."""
    assert tell(LATE[name], a_purpose(a_version(renew_after="P365D"))) == LATE[name]


TWO_VERSIONS = {
    "a late fact that changes the version alone has changed something": """
10  withdraw v1               -> withdrawn no
11  withdraw paper of 5 v2    -> withdrawn no v2
12  withdraw paper of 7 v1    -> withdrawn no v2 superseded
""",
    "an unknown state has no version of its own that could change": """
10  prefer topics=news        -> unknown no no_record v2 topics=news
11  confirm phone of 5 v1     -> unknown no no_record v2 topics=news superseded
""",
    "an expiry written down is about the consent that history has by now": """
0   grant v1                  -> given yes until 10
11  expire system of 10       -> expired no
12  grant paper of 0 v2       -> expired no v2
13  reads                     -> expired since 10 no v2
""",
    "and it has the moment that history has by now": """
0   grant v1                  -> given yes until 10
11  expire system of 10       -> expired no
12  grant paper of -0.5 v1    -> expired no superseded
13  reads                     -> expired since 9.5 no
""",
}


@pytest.mark.parametrize("name", TWO_VERSIONS)
def test_late_facts_of_two_versions(name: str) -> None:
    """R15, CORE 6, CORE 7: an editorial change, long in effect."""
    edited = a_version(2, change="editorial", effective_from=day(-500), renew_after="P10D")
    purpose = a_purpose(a_version(1, renew_after="P10D"), edited)
    assert tell(TWO_VERSIONS[name], purpose) == TWO_VERSIONS[name]


LATE_ON_A_RETIRED_PURPOSE = """
0    grant v1             -> given yes
50   prefer topics=news   -> given yes topics=news
101  grant v1 paper of 60 -> purpose-retired
102  grant v1 paper of 40 -> renewed yes topics=news
"""


def test_a_retired_purpose_still_takes_its_late_facts() -> None:
    """CORE 6: of a late fact only R16 makes a 409."""
    purpose = a_purpose(a_version(1), a_version(2, change="editorial", retired=True))
    assert tell(LATE_ON_A_RETIRED_PURPOSE, purpose) == LATE_ON_A_RETIRED_PURPOSE


def test_a_late_lift_is_judged_by_what_stood_in_its_place() -> None:
    """R15, CORE 2: objected then, though refused since, and though the purpose rests on consent alone by now."""
    both = "consent legitimate_interests"
    pair = Pair(a_purpose(a_version(1, legal_bases=both), a_version(2)))
    pair.says("object", day(1))
    pair.says("grant", day(101), version=2)
    pair.says("lift-objection", day(102), channel=Channel.PAPER, occurred_at=day(50))
    with pytest.raises(ConsentError) as refusal:
        pair.says("lift-objection", day(103), channel=Channel.PAPER, occurred_at=day(102) - MOMENT)
    assert refusal.value.slug == "not-objectable"


def test_a_late_withdrawal_is_about_the_consent_that_stood_in_its_place() -> None:
    """CORE 8: the default version is that of the consent standing then."""
    pair = Pair(a_purpose(a_version(1), a_version(2, change="editorial")))
    pair.says("grant", day(1))
    pair.says("refuse", day(101))
    assert pair.says("withdraw", day(103), channel=Channel.PAPER, occurred_at=day(50)).version == 1
    assert pair.says("refuse", day(104), channel=Channel.PAPER, occurred_at=day(0)).version == 2


def test_what_was_told_earlier_of_the_same_moment_stands_before_a_late_fact() -> None:
    """R15: by (effective time, sequence)."""
    pair = Pair(a_purpose(a_version(1), a_version(2, change="editorial")))
    pair.says("grant", day(1))
    pair.says("refuse", day(101))
    assert pair.says("withdraw", day(103), channel=Channel.PAPER, occurred_at=day(1)).version == 1


def test_a_late_fact_keeps_the_bases_of_the_day_it_was_recorded() -> None:
    """CORE 18: `governing_version` is the current one when decided, and the fold goes by it ever after."""
    pair = Pair(a_purpose(a_version(1), a_version(2, legal_bases="legitimate_interests")))
    pair.says("refuse", day(10))
    pair.says("object", day(101))
    late = pair.says("object", day(102), channel=Channel.EMAIL, occurred_at=day(20))
    assert (late.governing_version, late.effective_at, late.status) == (2, day(20), Status.OBJECTED)
    assert pair.reads(day(102)).since == day(20)
    assert pair.folded() == pair.state


OVERTAKEN = """
250 grant v1 paper of 99   -> invalidated no
251 withdraw paper of 99   -> withdrawn no
252 grant v1 paper of 100  -> version-overtaken
252 grant v1               -> version-overtaken
252 request v1 email of 98 -> withdrawn no superseded
253 grant v2 paper of 120  -> invalidated no v2
254 grant v3               -> given yes v3
"""


def test_an_overtaken_version_is_refused_only_for_a_fact_from_after_the_change() -> None:
    """R16: 2 and 3 are material, in effect from day 100 and 200."""
    purpose = a_purpose(a_version(1), a_version(2), a_version(3))
    assert tell(OVERTAKEN, purpose) == OVERTAKEN


def test_a_version_is_overtaken_from_the_very_moment_its_successor_is_in_effect() -> None:
    """R16, R4."""
    pair = Pair(a_purpose(a_version(1), a_version(2)))
    assert pair.says("grant", day(101), channel=Channel.PAPER, occurred_at=day(100) - MOMENT).appended
    with pytest.raises(VersionOvertaken):
        pair.says("grant", day(102), channel=Channel.PAPER, occurred_at=day(100))
    assert pair.permission(day(100) - MOMENT).status == "given"
    assert pair.permission(day(100)).status == "invalidated"
