"""What may be done on which legal bases, and what a change of the purpose does to a consent: R1 to R4, R7, R13."""

from __future__ import annotations

import pytest

from consent_service.domain.consent import decide, permission
from consent_service.domain.errors import ConsentError, NotWithdrawable
from consent_service.domain.purposes import BasesKind, StatedBasis, kind_of
from consent_service.domain.records import SubjectFlags
from consent_service.domain.values import Basis, Reason, Status
from tests.builders import DAY_ZERO, MOMENT, a_claim, a_purpose, a_state, a_version, bases, day
from tests.domain.core_2 import BASES
from tests.domain.stories import tell

#: CORE 1: who may go on, by kind of bases and status; a yes in capitals. `.` the status is the reason.
PERMISSION = """
              consent     consent+li  li                   other                other+li             none
unknown       no_record   no_record   LEGITIMATE_INTEREST  NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
requested     .           .           .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
deferred      .           .           LEGITIMATE_INTEREST  NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
given         GIVEN       GIVEN       .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
renewed       RENEWED     RENEWED     .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
refused       .           .           .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
withdrawn     .           .           .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
revoked       .           .           .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
expired       .           .           .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
invalidated   .           .           .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
objected      .           .           .                    NOT_CONSENT_BASED    NOT_CONSENT_BASED    no_legal_basis
"""


def permission_lines() -> list[tuple[str, str, str]]:
    kinds, *rows = [line.split() for line in PERMISSION.strip().splitlines()]
    return [(status, kind, cell) for status, *cells in rows for kind, cell in zip(kinds, cells, strict=True)]


@pytest.mark.parametrize(("status", "kind", "cell"), permission_lines())
def test_permission_follows_the_bases_and_the_status(status: str, kind: str, cell: str) -> None:
    """CORE 1, R2, R3."""
    purpose = a_purpose(a_version(legal_bases=BASES[kind]))
    until = day(9) if status in ("given", "renewed", "requested") else None
    answer = permission(SubjectFlags(), a_state(status, until=until), purpose, day(1))
    assert answer.allowed == cell.isupper()
    assert answer.reason == (status if cell == "." else cell.lower())
    assert answer.status == status
    assert answer.until == (until if cell in ("GIVEN", "RENEWED") else None)


@pytest.mark.parametrize("kind", BASES)
def test_nobody_asked_yet_reads_like_a_stored_unknown(kind: str) -> None:
    """CORE 1: unknown, also a stored one, reads `no_record` where consent is needed."""
    purpose = a_purpose(a_version(legal_bases=BASES[kind]))
    stored = permission(SubjectFlags(), a_state("unknown"), purpose, day(1))
    assert permission(SubjectFlags(), None, purpose, day(1)) == stored


KINDS = """
consent                                                  consent
consent contract                                         consent
consent legitimate_interests                             consent+li
contract consent legitimate_interests legal_obligation   consent+li
legitimate_interests                                     li
contract                                                 other
legal_obligation                                         other
vital_interests                                          other
public_task                                              other
legal_obligation contract                                other
contract legitimate_interests                            other+li
legitimate_interests public_task                         other+li
"""


@pytest.mark.parametrize("line", KINDS.strip().splitlines())
def test_the_most_protective_basis_governs(line: str) -> None:
    """R2, CORE 1."""
    *names, kind = line.split()
    assert kind_of(bases(" ".join(names))) == kind
    assert kind_of(tuple(reversed(bases(" ".join(names))))) == kind


def test_no_basis_at_all_is_a_kind_of_its_own() -> None:
    """R2."""
    assert kind_of(()) is BasesKind.NONE


def test_what_the_policy_states_never_decides() -> None:
    """R1: permission looks at `legal_bases` alone."""
    stated = (StatedBasis(basis=Basis.LEGITIMATE_INTERESTS, stated="explicit"),)
    purpose = a_purpose(a_version(legal_bases="", stated_bases=stated))
    assert permission(SubjectFlags(), None, purpose, DAY_ZERO).reason is Reason.NO_LEGAL_BASIS


NO_BASIS = """
0  grant               -> no-legal-basis
0  request             -> no-legal-basis
0  confirm             -> no-legal-basis
1  refuse              -> refused no no_legal_basis
2  withdraw            -> = refused no no_legal_basis
3  object              -> not-objectable
"""


def test_without_a_basis_nothing_is_granted_and_a_refusal_is_recorded() -> None:
    """R2."""
    assert tell(NO_BASIS, a_purpose(a_version(legal_bases=""))) == NO_BASIS


OBJECTIONS = {
    "legitimate_interests": """
0  reads               -> unknown yes legitimate_interest
1  object              -> objected no
2  object              -> = objected no
3  lift-objection      -> unknown yes legitimate_interest
4  lift-objection      -> = unknown yes legitimate_interest
5  object              -> objected no
""",
    "consent legitimate_interests": """
0  grant               -> given yes
1  object              -> objected no
2  grant               -> given yes
3  object              -> objected no
4  lift-objection      -> unknown no no_record
5  lift-objection      -> = unknown no no_record
6  prefer topics=news  -> unknown no no_record topics=news
7  lift-objection      -> = unknown no no_record topics=news
8  grant               -> given yes topics=news
9  lift-objection      -> not-possible-now
""",
    "contract legitimate_interests": """
0  object              -> objected yes not_consent_based
1  lift-objection      -> unknown yes not_consent_based
""",
    "contract": """
0  object              -> not-objectable
""",
    "consent": """
0  object              -> not-objectable
""",
}


@pytest.mark.parametrize("names", OBJECTIONS)
def test_an_objection_stands_wherever_interests_are_among_the_bases(names: str) -> None:
    """R3, CORE 2."""
    assert tell(OBJECTIONS[names], a_purpose(a_version(legal_bases=names))) == OBJECTIONS[names]


@pytest.mark.parametrize(("names", "named"), [("legitimate_interests", True), ("contract", False)])
def test_what_cannot_be_withdrawn_says_why_and_names_objecting_where_one_can(names: str, named: bool) -> None:
    """CORE 2: not-withdrawable names `object` where interests are among the bases."""
    with pytest.raises(NotWithdrawable) as refusal:
        decide(SubjectFlags(), None, a_claim("withdraw"), a_purpose(a_version(legal_bases=names)))
    assert ("`object`" in refusal.value.detail) == named
    assert names in refusal.value.detail


MATERIAL_CHANGE = """
requested    -> invalidated
deferred     -> deferred
given        -> invalidated
renewed      -> invalidated
refused      -> refused
withdrawn    -> withdrawn
revoked      -> revoked
expired      -> expired
invalidated  -> invalidated
objected     -> objected
unknown      -> unknown
"""


@pytest.mark.parametrize("line", MATERIAL_CHANGE.strip().splitlines())
def test_a_material_change_touches_only_what_was_agreed_or_asked(line: str) -> None:
    """R4."""
    before, _, after = line.split()
    purpose = a_purpose(a_version(1), a_version(2, effective_from=day(5)))
    edited = a_purpose(a_version(1), a_version(2, change="editorial", effective_from=day(5)))
    for at, reads in ((day(4), before), (day(5), after), (day(6), after)):
        assert permission(SubjectFlags(), a_state(before), purpose, at).status == reads
        assert permission(SubjectFlags(), a_state(before), edited, at).status == before


CHANGES_IN_STEPS = """
0    grant v1             -> given yes
100  reads                -> given since 0 yes
200  reads                -> invalidated since 200 no
201  grant v1             -> version-overtaken
201  grant v2             -> version-overtaken
201  grant v3             -> given yes v3
300  reads                -> given since 201 yes v3
301  grant v3             -> renewed yes v3
302  grant v4             -> renewed yes v4
400  reads                -> invalidated since 400 no v4
"""


def test_only_material_versions_overtake() -> None:
    """R4, R7, R16: 2 and 4 are editorial, 3 and 5 are material; every version begins a hundred days later."""
    purpose = a_purpose(
        a_version(1),
        a_version(2, change="editorial"),
        a_version(3),
        a_version(4, change="editorial"),
        a_version(5),
    )
    assert tell(CHANGES_IN_STEPS, purpose) == CHANGES_IN_STEPS
    valid = {0: 1, 100: 1, 199: 1, 200: 3, 300: 3, 400: 5}
    assert {at: purpose.oldest_valid(day(at)) for at in valid} == valid
    assert a_purpose(a_version(1, change="editorial")).oldest_valid(day(0)) == 1


CONSENTED_AND_CURRENT = """
0    grant v1             -> given yes until 10
1    reads                -> given since 0 yes until 10
2    grant v1             -> renewed yes until 12
100  grant v2             -> given yes until 130 v2
101  grant v1             -> renewed yes until 111
"""


def test_the_term_comes_from_the_version_consented_to() -> None:
    """R7: `renew_after` from the consented version, which need not be the current one."""
    purpose = a_purpose(
        a_version(1, renew_after="P10D"), a_version(2, change="editorial", renew_after="P30D")
    )
    assert tell(CONSENTED_AND_CURRENT, purpose) == CONSENTED_AND_CURRENT


BASES_OF_TODAY = """
0    grant v1             -> given yes
100  reads                -> invalidated since 100 yes not_consent_based
101  withdraw             -> not-withdrawable
101  grant v2             -> not-consent-based
200  reads                -> invalidated since 100 no
201  object               -> objected no v3
202  lift-objection       -> unknown yes legitimate_interest v3
"""


def test_the_bases_come_from_the_current_version() -> None:
    """R7: consent first, then a contract, then interests."""
    purpose = a_purpose(
        a_version(1), a_version(2, legal_bases="contract"), a_version(3, legal_bases="legitimate_interests")
    )
    assert tell(BASES_OF_TODAY, purpose) == BASES_OF_TODAY


FLAGS = """
erased suppressed restricted  -> erased
erased                        -> erased
suppressed restricted         -> suppressed
suppressed                    -> suppressed
restricted                    -> restricted
"""


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("line", FLAGS.strip().splitlines())
def test_what_concerns_the_whole_person_comes_first(line: str, kind: str) -> None:
    """R13, CORE 1: before every basis and status, which is still told."""
    *names, _, reason = line.split()
    flags = SubjectFlags(**{f"{name}_at": day(1) for name in names})
    purpose = a_purpose(a_version(legal_bases=BASES[kind]))
    answer = permission(flags, a_state("given", until=day(9)), purpose, day(2))
    assert (answer.allowed, answer.reason, answer.status, answer.until) == (False, reason, Status.GIVEN, None)


@pytest.mark.parametrize("flag", ["suppressed_at", "restricted_at"])
def test_a_restricted_or_suppressed_person_can_still_speak(flag: str) -> None:
    """R13: the flag stands before the answer, not before the record."""
    verdict = decide(SubjectFlags(**{flag: day(0)}), None, a_claim("grant", day(1)), a_purpose())
    assert (verdict.appended, verdict.status, verdict.permission.allowed) == (True, Status.GIVEN, False)


def test_before_its_first_version_is_in_effect_a_purpose_allows_nothing() -> None:
    """CORE 5: a version counts from `effective_from`; there is no basis before."""
    for names in BASES.values():
        purpose = a_purpose(a_version(legal_bases=names, effective_from=day(5)))
        assert permission(SubjectFlags(), None, purpose, day(4)).reason is Reason.NO_LEGAL_BASIS
        with pytest.raises(ConsentError):
            decide(SubjectFlags(), None, a_claim("grant", day(4)), purpose)
    contract = a_purpose(a_version(legal_bases="contract", effective_from=day(5)))
    assert not permission(SubjectFlags(), None, contract, day(5) - MOMENT).allowed
    assert permission(SubjectFlags(), None, contract, day(5)).allowed


RETIREMENT = """
0    grant v1             -> given yes
100  reads                -> given since 0 yes
101  grant v2             -> purpose-retired
102  prefer               -> purpose-retired
103  withdraw             -> withdrawn no
104  request v2           -> purpose-retired
105  defer                -> purpose-retired
200  reads                -> withdrawn since 103 no
201  grant v3             -> given yes v3
"""


def test_a_retired_purpose_keeps_its_permissions_until_a_new_version_opens_it_again() -> None:
    """R4, CORE 2, CORE 5."""
    purpose = a_purpose(
        a_version(1), a_version(2, change="editorial", retired=True), a_version(3, change="editorial")
    )
    assert tell(RETIREMENT, purpose) == RETIREMENT
