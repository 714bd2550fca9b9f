"""Every (kind of bases, status, command) is driven through `decide` and drawn, and must look like CORE 2 says.

The table stands in `core_2.py` as text, with the ways of standing in each status (R7, R17, CORE 7).
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from consent_service.domain.consent import decide, standing
from consent_service.domain.errors import (
    ConfirmationNeeded,
    ConsentError,
    Erased,
    NotPossibleNow,
    PurposeRetired,
)
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import Claim, State, SubjectFlags
from consent_service.domain.values import Cause, Channel, Command, Status
from tests.builders import a_claim, a_purpose, a_state, a_version, an_id, day
from tests.domain.core_2 import (
    BASES,
    COLUMNS,
    INTAKE,
    LETTERS,
    NOW,
    REFUSALS,
    cells,
    every_situation,
    situations,
    version_1_and_an_edited_2,
)


def claim_of(command: str, purpose: Purpose, version: int | None = None) -> Claim:
    if command in ("grant", "request"):
        return a_claim(command, NOW, version=version or len(purpose.versions))
    return a_claim(command, NOW)


def drawn_once(state: State | None, purpose: Purpose, claim: Claim) -> str:
    """The cell that one command shows, after looking at everything the verdict says about it."""
    before = standing(state, purpose, NOW)
    try:
        verdict = decide(SubjectFlags(), state, claim, purpose)
    except ConsentError as refusal:
        return REFUSALS[refusal.slug]
    if not verdict.appended:
        assert state is not None and verdict.state == state and verdict.status is before.status
        assert verdict.standing == (state.record_id or state.preferences_record_id)
        return "="
    if claim.command is Command.PREFER:
        assert standing(verdict.state, purpose, NOW) == before
        assert verdict.state.preferences_record_id == claim.record_id
        assert verdict.state.record_id == (state.record_id if state else None)
    else:
        assert verdict.state.record_id == claim.record_id and verdict.state.status is verdict.status
        assert verdict.state.since == verdict.effective_at == verdict.state.latest_at == NOW
    assert verdict.standing is None and not verdict.superseded
    return next(letter for letter, status in LETTERS.items() if status is verdict.status)


def drawn(state: State | None, purpose: Purpose, command: str) -> str:
    """Like `drawn_once`; a grant on a grant also said at once, a request also for the version asked for before."""
    cell = drawn_once(state, purpose, claim_of(command, purpose))
    if cell == "N" and command == "grant" and state is not None:
        fresh = msgspec.structs.replace(state, since=NOW - timedelta(hours=1), version=len(purpose.versions))
        return drawn_once(fresh, purpose, claim_of(command, purpose)) + cell
    if cell == "Q" and command == "request" and state is not None:
        again = drawn_once(state, purpose, claim_of(command, purpose, state.version))
        return "=a" if again == "=" else cell
    return cell


def in_the_way_of_a_retired_purpose(cell: str, command: str) -> bool:
    return command in INTAKE and cell not in "cwol"


def leads_to_a_record(cell: str) -> bool:
    return cell not in tuple("=9cwol")


@pytest.mark.parametrize(("kind", "letter", "way"), every_situation())
def test_every_command_does_what_core_2_says(kind: str, letter: str, way: str) -> None:
    state, purpose = situations(kind, letter)[way]
    assert standing(state, purpose, NOW).status is LETTERS[letter]
    if "overtaken" in way:
        # A request for the version overtaken is 409 of its own (R16); here the current one is asked for.
        row = {command: drawn_once(state, purpose, claim_of(command, purpose)) for command in COLUMNS}
    else:
        row = {command: drawn(state, purpose, command) for command in COLUMNS}
    assert row == cells(kind)[letter]


@pytest.mark.parametrize(("kind", "letter", "way"), every_situation())
def test_what_is_not_possible_now_names_what_is(kind: str, letter: str, way: str) -> None:
    """CORE 12: `possible` lists the commands that would lead to a record, and no other."""
    state, purpose = situations(kind, letter)[way]
    row = cells(kind)[letter]
    possible = tuple(command for command in COLUMNS if leads_to_a_record(row[command]))
    for command in COLUMNS:
        if row[command] == "9":
            with pytest.raises(NotPossibleNow) as refusal:
                decide(SubjectFlags(), state, claim_of(command, purpose), purpose)
            assert refusal.value.possible == possible
            assert refusal.value.members() == {"possible": list(possible)}


@pytest.mark.parametrize(("kind", "letter", "way"), every_situation())
def test_a_retired_purpose_takes_nothing_in_and_lets_everything_out(kind: str, letter: str, way: str) -> None:
    """CORE 2, last paragraph: 409 for intake, the rest as its kind; a 422 comes before a 409 (CORE 12)."""
    state, purpose = situations(kind, letter, retired=True)[way]
    for command, cell in cells(kind)[letter].items():
        claim = claim_of(command, purpose)
        if in_the_way_of_a_retired_purpose(cell, command):
            with pytest.raises(PurposeRetired):
                decide(SubjectFlags(), state, claim, purpose)
        else:
            assert drawn_once(state, purpose, claim) == cell


@pytest.mark.parametrize("kind", ["consent", "consent+li", "none"])
def test_invalidating_nothing_on_a_retired_purpose_offers_no_intake(kind: str) -> None:
    row = cells(kind)["U"]
    with pytest.raises(NotPossibleNow) as refusal:
        decide(
            SubjectFlags(), None, a_claim("invalidate", NOW), version_1_and_an_edited_2(kind, retired=True)
        )
    assert refusal.value.possible == tuple(
        command for command in COLUMNS if leads_to_a_record(row[command]) and command not in INTAKE
    )


@pytest.mark.parametrize(("kind", "letter", "way"), every_situation())
def test_of_an_erased_person_every_command_is_gone(kind: str, letter: str, way: str) -> None:
    """CORE 2: 410, after what is never acceptable (422) and before what is not now (409) (CORE 12)."""
    state, purpose = situations(kind, letter)[way]
    erased = SubjectFlags(erased_at=day(49))
    for command, cell in cells(kind)[letter].items():
        with pytest.raises(ConsentError) as refusal:
            decide(erased, state, claim_of(command, purpose), purpose)
        if cell in "cwol":
            assert REFUSALS[refusal.value.slug] == cell
        else:
            assert isinstance(refusal.value, Erased)


@pytest.mark.parametrize("kind", ["consent+li", "li", "other+li", "consent", "other", "none"])
def test_a_lift_repeated_right_after_a_lift_says_nothing_new(kind: str) -> None:
    """CORE 2. A purpose that lost its interests since can still be objected to from before."""
    purpose = version_1_and_an_edited_2(kind)
    objected = a_state("objected", day(10), command=Command.OBJECT)
    lifted = decide(SubjectFlags(), objected, a_claim("lift-objection", NOW), purpose).state
    assert lifted.status is Status.UNKNOWN
    assert drawn_once(lifted, purpose, a_claim("lift-objection", NOW, record_id=an_id(2))) == "="


@pytest.mark.parametrize("kind", ["consent+li", "li", "other+li"])
def test_a_lift_after_anything_else_is_not_a_repeated_one(kind: str) -> None:
    state = a_state("unknown", command=Command.LIFT_OBJECTION, record_id=None, preferences_record_id=an_id(3))
    assert drawn_once(state, version_1_and_an_edited_2(kind), a_claim("lift-objection", NOW)) == "9"


#: What a grant of a version under double opt-in meets (R10, CORE 3): `e` 422 evidence-required, `q` 409 naming
#: `request`, `k` 409 naming `confirm`. Under each channel: without evidence, then with.
DOUBLE_OPT_IN = """
    web   api   email paper phone import
U   q q   q q   q q   e G   e G   e G
Q   k k   k k   k k   e G   e G   e G
D   q q   q q   q q   e G   e G   e G
G   N N   N N   N N   e N   e N   e N
N   N N   N N   N N   e N   e N   e N
R   q q   q q   q q   e G   e G   e G
W   q q   q q   q q   e G   e G   e G
V   q q   q q   q q   e G   e G   e G
X   q q   q q   q q   e G   e G   e G
I   q q   q q   q q   e G   e G   e G
O   q q   q q   q q   e G   e G   e G
"""


@pytest.mark.parametrize("line", DOUBLE_OPT_IN.strip().splitlines()[1:])
def test_double_opt_in_lets_only_evidence_or_a_confirmation_through(line: str) -> None:
    letter, *expected = line.split()
    for state, purpose in situations("consent", letter).values():
        demanding = a_purpose(
            *[
                msgspec.structs.replace(
                    version, content=a_version(legal_bases="consent", double_opt_in=True).content
                )
                for version in purpose.versions
            ]
        )
        row = [
            drawn_under_double_opt_in(
                state, demanding, claim_of_channel(channel, evidence, len(purpose.versions))
            )
            for channel in DOUBLE_OPT_IN.split()[:6]
            for evidence in (False, True)
        ]
        assert row == expected


def claim_of_channel(channel: str, evidence: bool, version: int) -> Claim:
    return a_claim("grant", NOW, version=version, channel=Channel(channel), has_evidence=evidence)


def drawn_under_double_opt_in(state: State | None, purpose: Purpose, claim: Claim) -> str:
    try:
        return drawn_once(state, purpose, claim)
    except KeyError:
        pass
    with pytest.raises(ConsentError) as refusal:
        decide(SubjectFlags(), state, claim, purpose)
    if isinstance(refusal.value, ConfirmationNeeded):
        (named,) = refusal.value.possible
        return {"request": "q", "confirm": "k"}[named]
    return {"evidence-required": "e"}[refusal.value.slug]


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("status", ["requested", "given", "renewed"])
def test_the_service_writes_down_a_consent_that_passed(kind: str, status: str) -> None:
    """CORE 2, sweeper: Q, G, N -> X whatever the bases are by now; `occurred_at` = until (R17)."""
    state = a_state(status, day(10), until=day(45))
    purpose = version_1_and_an_edited_2(kind)
    claim = a_claim("expire", NOW, channel=Channel.SYSTEM, occurred_at=day(45))
    before = standing(state, purpose, NOW)
    verdict = decide(SubjectFlags(), state, claim, purpose)
    assert (verdict.appended, verdict.status, verdict.effective_at) == (True, Status.EXPIRED, day(45))
    assert standing(verdict.state, purpose, NOW) == before
    assert verdict.state.version == verdict.version == 1


@pytest.mark.parametrize("after", BASES)
@pytest.mark.parametrize("status", ["requested", "given", "renewed"])
def test_the_service_writes_down_a_material_change(after: str, status: str) -> None:
    """CORE 2 and 4, sweeper: Q, G, N -> I, also where the change took consent out of the bases."""
    state = a_state(status, day(10), until=day(60))
    purpose = a_purpose(a_version(1), a_version(2, legal_bases=BASES[after], effective_from=day(40)))
    claim = a_claim(
        "invalidate", NOW, channel=Channel.SYSTEM, occurred_at=day(40), cause=Cause.PURPOSE_CHANGED,
        has_authority=False,
    )  # fmt: skip
    before = standing(state, purpose, NOW)
    verdict = decide(SubjectFlags(), state, claim, purpose)
    assert (verdict.appended, verdict.status, verdict.effective_at) == (True, Status.INVALIDATED, day(40))
    assert standing(verdict.state, purpose, NOW) == before
    assert verdict.state.version == verdict.version == 1


@pytest.mark.parametrize(("kind", "letter", "way"), [s for s in every_situation() if s[2] != "no record"])
def test_the_service_leaves_alone_what_neither_passed_nor_was_overtaken(
    kind: str, letter: str, way: str
) -> None:
    """CORE 2, sweeper: else no record."""
    state, purpose = situations(kind, letter)[way]
    expire = a_claim("expire", NOW, channel=Channel.SYSTEM, occurred_at=day(45))
    change = a_claim(
        "invalidate", NOW, channel=Channel.SYSTEM, occurred_at=day(45), cause=Cause.PURPOSE_CHANGED
    )
    if "passed" not in way:
        assert not decide(SubjectFlags(), state, expire, purpose).appended
    if "overtaken" not in way:
        assert not decide(SubjectFlags(), state, change, purpose).appended
