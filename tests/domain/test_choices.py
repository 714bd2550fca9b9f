"""What a browser's words mean for a purpose's bases, and what a browser's signal means without them (CORE 2, R38)."""

from __future__ import annotations

import pytest

from consent_service.domain.choices import Choice, choices_of, command_for, with_signal
from consent_service.domain.purposes import kind_of
from consent_service.domain.records import SubjectFlags
from tests.builders import Pair, a_purpose, a_version, bases, day
from tests.http.tables import rows

#: The bases | given | refused | withdrawn | deferred; in brackets: not offered on a screen
MEANS = """
consent                                | grant   | refuse   | withdraw   | defer
consent legitimate_interests           | grant   | refuse   | withdraw   | defer
legitimate_interests                   | (grant) | object   | object     | (defer)
contract legitimate_interests          | (grant) | object   | object     | (defer)
contract                               | (grant) | (refuse) | (withdraw) | (defer)
legal_obligation                       | (grant) | (refuse) | (withdraw) | (defer)
                                       | (grant) | (refuse) | (withdraw) | (defer)
"""


@pytest.mark.parametrize(("legal_bases", "given", "refused", "withdrawn", "deferred"), rows(MEANS, 5))
def test_CORE_2_a_no_to_interests_is_an_objection(
    legal_bases: str, given: str, refused: str, withdrawn: str, deferred: str
) -> None:
    kind = kind_of(bases(legal_bases))
    offered = choices_of(a_version(legal_bases=legal_bases))
    for choice, said in zip(Choice, (given, refused, withdrawn, deferred), strict=True):
        assert command_for(choice, kind) == said.strip("()")
        assert (choice in offered) is not said.startswith("(")


def test_R10_under_double_opt_in_a_click_gives_nothing_but_can_refuse() -> None:
    assert choices_of(a_version(double_opt_in=True)) == (Choice.REFUSED, Choice.WITHDRAWN, Choice.DEFERRED)


#: The bases | what was said | without the signal | with it
SIGNAL = """
consent                          |               | no (no_record)            | no (signal)
consent                          | defer         | no (deferred)             | no (signal)
consent                          | grant         | yes (given)               | yes (given)
consent                          | refuse        | no (refused)              | no (refused)
consent                          | grant withdraw | no (withdrawn)           | no (withdrawn)
consent legitimate_interests     |               | no (no_record)            | no (signal)
legitimate_interests             |               | yes (legitimate_interest) | no (signal)
legitimate_interests             | object        | no (objected)             | no (objected)
legitimate_interests             | object lift-objection | yes (legitimate_interest) | no (signal)
contract                         |               | yes (not_consent_based)   | no (signal)
                                 |               | no (no_legal_basis)       | no (no_legal_basis)
"""


@pytest.mark.parametrize(("legal_bases", "said", "without", "told"), rows(SIGNAL, 4))
def test_R38_what_shares_or_sells_answers_no_without_an_explicit_choice(
    legal_bases: str, said: str, without: str, told: str
) -> None:
    pair = Pair(a_purpose(a_version(legal_bases=legal_bases, shares_or_sells=True)))
    for number, command in enumerate(said.split()):
        pair.says(command, day(number))
    plain = pair.permission(day(10))
    signalled = with_signal(plain, pair.purpose, day(10))

    assert f"{'yes' if plain.allowed else 'no'} ({plain.reason})" == without
    assert f"{'yes' if signalled.allowed else 'no'} ({signalled.reason})" == told
    assert signalled.status == plain.status


def test_R38_what_neither_shares_nor_sells_is_left_alone() -> None:
    pair = Pair(a_purpose(a_version(legal_bases="legitimate_interests")))

    assert with_signal(pair.permission(day(1)), pair.purpose, day(1)).allowed


@pytest.mark.parametrize("flag", ["erased_at", "suppressed_at", "restricted_at"])
def test_R13_what_holds_for_the_whole_person_comes_before_the_signal(flag: str) -> None:
    pair = Pair(
        a_purpose(a_version(legal_bases="legitimate_interests", shares_or_sells=True)),
        SubjectFlags(**{flag: day(0)}),
    )
    plain = pair.permission(day(1))

    assert with_signal(plain, pair.purpose, day(1)) == plain
