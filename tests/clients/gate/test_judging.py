"""What the gate makes of what it was told is what the service itself would answer at that moment (R33, CORE 1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from consent_client.gate import Answer
from hypothesis import event, given, settings
from hypothesis import strategies as st

from consent_service.domain.changes import ConsentState, PurposePublished, consent_until, published
from consent_service.domain.consent import permission, standing
from consent_service.domain.purposes import BasesKind, Change, Purpose, PurposeVersion
from consent_service.domain.records import Permission, State, SubjectFlags
from consent_service.domain.values import Reason, Status
from tests.builders import a_purpose, a_state, a_version, day
from tests.clients.gate.laid import a_gate
from tests.events import samples
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 900))]

ANNA = samples.ANNA
BASES = (
    "consent",
    "consent legitimate_interests",
    "legitimate_interests",
    "contract",
    "contract legitimate_interests",
    "",
)
often = settings(max_examples=soak(300, 20_000), deadline=None)
CLOSING = (Status.GIVEN, Status.RENEWED, Status.REQUESTED)
CONSENTS = (BasesKind.CONSENT, BasesKind.CONSENT_INTERESTS)
FLAGS = (
    SubjectFlags(),
    SubjectFlags(restricted_at=day(0)),
    SubjectFlags(suppressed_at=day(0), restricted_at=day(0)),
    SubjectFlags(erased_at=day(0)),
)
moments = st.integers(0, 40)
#: Consents of persons about whom nothing else is said have the most that can go wrong.
flags = st.sampled_from((*[FLAGS[0]] * 6, *FLAGS))
bases = st.sampled_from(("consent",) * 4 + BASES)


class Story(msgspec.Struct, frozen=True):
    """A purpose, what is known of Anna when she was last told of, and when it is asked."""

    purpose: Purpose
    flags: SubjectFlags
    state: State | None
    told_at: datetime
    asked_at: datetime


@st.composite
def versions(draw: st.DrawFn) -> tuple[PurposeVersion, ...]:
    """As they can be published: other bases are material (R4), none takes effect before an earlier one."""
    made: list[PurposeVersion] = []
    published_at = effective = draw(moments)
    for number in range(1, draw(st.integers(1, 4)) + 1):
        names = draw(bases)
        differs = bool(made) and set(names.split()) != {str(b) for b in made[-1].content.legal_bases}
        change = "material" if differs else draw(st.sampled_from(("material", "editorial")))
        version = a_version(number, legal_bases=names, change=change, effective_from=day(effective))
        made.append(msgspec.structs.replace(version, published_at=day(published_at)))
        published_at += draw(st.integers(0, 10))
        effective = max(published_at, effective) + draw(st.integers(0, 10))
    return tuple(made)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    purpose = a_purpose(*draw(versions()))
    asked_at = draw(st.integers(purpose_day(purpose), 60))
    known = purpose.versions[: sum(version.published_at <= day(asked_at) for version in purpose.versions)]
    told_at = draw(st.integers(purpose_day(purpose), asked_at))
    then = Purpose("ansettr", purpose.slug, tuple(v for v in known if v.published_at <= day(told_at)))
    in_effect = [version for version in then.versions if version.effective_from <= day(told_at)]
    status = draw(st.sampled_from((*Status, *[Status.GIVEN] * 2 * len(Status))))
    consented = [version for version in in_effect if version.kind in CONSENTS]
    about = consented if status in CLOSING else in_effect
    state = None
    if about:
        since = draw(st.integers(0, told_at))
        until = day(since + draw(st.integers(0, 40))) if status in CLOSING and draw(st.booleans()) else None
        version = draw(st.sampled_from(about)).number
        state = a_state(status, day(since), version=version, until=until)
    return Story(a_purpose(*known), draw(flags), state, day(told_at), day(asked_at))


def purpose_day(purpose: Purpose) -> int:
    return (purpose.versions[0].published_at - day(0)).days


def told(story: Story) -> list[ConsentState | PurposePublished]:
    """What the service publishes of it: the purpose's last version, and the state as it read when Anna was told of."""
    messages: list[ConsentState | PurposePublished] = [published(story.purpose, ledger_epoch=1)]
    if story.state is None:
        return messages
    then = a_purpose(*(v for v in story.purpose.versions if v.published_at <= story.told_at))
    said = permission(story.flags, story.state, then, story.told_at)
    reads = standing(story.state, then, story.told_at)
    state = samples.a_state(
        status=reads.status,
        allowed=said.allowed,
        reason=said.reason,
        until=consent_until(said.allowed, said.reason, said.until),
        standing_version=story.state.version,
    )
    return [state, *messages]


def alike(answer: Answer, said: Permission, state: State | None) -> bool:
    """The same in all that decides; of what ended by itself the gate may not know how, or that it did."""
    ended = {"expired", "invalidated"}
    if said.reason in (Reason.ERASED, Reason.SUPPRESSED, Reason.RESTRICTED):
        ended |= {"given", "renewed"}
    if state is not None and state.status is Status.REQUESTED:
        ended.add("requested")
    same_reason = str(answer.reason) == str(said.reason) or {str(answer.reason), str(said.reason)} <= ended
    same_status = str(answer.status) == str(said.status) or {str(answer.status), str(said.status)} <= ended
    rest = (answer.allowed, answer.until, answer.version) == (said.allowed, said.until, said.version)
    return rest and same_reason and same_status


@often
@given(stories())
def test_R33_the_gate_answers_what_the_service_would(story: Story) -> None:
    # Flags beside a person without states are told of the person as a whole.
    about = SubjectFlags() if story.state is None else story.flags
    said = permission(about, story.state, story.purpose, story.asked_at)
    event(str(said.reason))

    gate = a_gate(*told(story), at=story.asked_at)

    answer = gate.answer(ANNA, "nyhetsbrev")
    assert alike(answer, said, story.state), (answer, said)
    assert gate.allows(ANNA, "nyhetsbrev") == said.allowed


@often
@given(stories(), st.integers(0, 40 * 24 * 3600 * 10**6), st.data())
def test_R33_both_answers_agree_while_time_passes(story: Story, later: int, data: st.DataObject) -> None:
    gate = a_gate(*told(story), at=story.asked_at)
    ends = [version.effective_from for version in story.purpose.versions]
    ends += [story.state.until] if story.state is not None and story.state.until is not None else []
    near = [end + data.draw(st.sampled_from((-1, 0, 1))) * timedelta(microseconds=1) for end in ends]
    moment = data.draw(st.sampled_from([*near, story.asked_at + timedelta(microseconds=later)]))
    if moment > story.asked_at:
        gate.times.passes(moment - story.asked_at)
        gate.hears(moment)
    said = permission(
        SubjectFlags() if story.state is None else story.flags,
        story.state,
        story.purpose,
        max(moment, story.asked_at),
    )

    for person in (ANNA, UUID(int=4711)):
        assert gate.allows(person, "nyhetsbrev") == gate.answer(str(person), "nyhetsbrev").allowed
    assert gate.allows(ANNA, "nyhetsbrev") == said.allowed


@often
@given(stories(), st.sampled_from((Reason.ERASED, Reason.SUPPRESSED, Reason.RESTRICTED)))
def test_R29_a_no_about_the_whole_person_goes_first(story: Story, reason: Reason) -> None:
    no = samples.a_state(
        purpose=None, sequence=9, status=Status.UNKNOWN, allowed=False, reason=reason, standing_version=None
    )

    gate = a_gate(*told(story), no, at=story.asked_at)

    assert not gate.allows(ANNA, "nyhetsbrev")
    assert gate.answer(ANNA, "nyhetsbrev") == Answer(False, gate.answer(ANNA, "nyhetsbrev").reason)
    assert str(gate.answer(ANNA, "nyhetsbrev").reason) == str(reason)


def test_R29_under_the_id_of_a_person_who_was_merged_away_nothing_is_allowed() -> None:
    interests = published(a_purpose(a_version(legal_bases="legitimate_interests")), ledger_epoch=1)
    gate = a_gate(interests, samples.a_merged_person())

    assert not gate.allows(ANNA, "nyhetsbrev")
    assert gate.allows(samples.BERIT, "nyhetsbrev")


def test_R33_a_material_change_counts_from_the_moment_it_takes_effect_without_an_event() -> None:
    first = a_version(1, effective_from=day(-10))
    second = msgspec.structs.replace(a_version(2, effective_from=day(5)), published_at=day(-1))
    assert second.change is Change.MATERIAL
    gate = a_gate(published(a_purpose(first, second), ledger_epoch=1), samples.a_state())
    assert gate.allows(ANNA, "nyhetsbrev")

    gate.times.passes(timedelta(days=5))
    gate.hears(day(5))

    assert not gate.allows(ANNA, "nyhetsbrev")
    assert str(gate.answer(ANNA, "nyhetsbrev").reason) == "invalidated"


def test_R17_of_an_end_and_a_material_change_at_the_same_moment_the_end_counts() -> None:
    purpose = a_purpose(a_version(1, effective_from=day(-10)), a_version(2, effective_from=day(5)))
    state = a_state(until=day(5))
    announced = msgspec.structs.replace(purpose.versions[1], published_at=day(-1))
    told = published(a_purpose(purpose.versions[0], announced), ledger_epoch=1)
    gate = a_gate(told, samples.a_state(until=day(5)), at=day(6))

    assert permission(SubjectFlags(), state, purpose, day(6)).reason is Reason.EXPIRED
    assert str(gate.answer(ANNA, "nyhetsbrev").reason) == "expired"


def test_R33_a_consent_that_was_told_as_no_permission_is_none() -> None:
    """Its end was not told then."""
    told_as_no = samples.a_state(allowed=False, reason=Reason.NO_LEGAL_BASIS)

    gate = a_gate(published(a_purpose(), ledger_epoch=1), told_as_no)

    assert not gate.allows(ANNA, "nyhetsbrev")
    assert str(gate.answer(ANNA, "nyhetsbrev").reason) == "no_legal_basis"
