"""Whatever is said in whatever order, the rules hold: R7 to R17, CORE 1 to 8, on random histories."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given, settings

from consent_service.domain.consent import fold
from consent_service.domain.durations import parse_duration
from consent_service.domain.errors import (
    ConfirmationNeeded,
    NotPossibleNow,
    PurposeRetired,
    VersionOvertaken,
)
from consent_service.domain.purposes import BasesKind, Confirmation, PurposeVersion
from consent_service.domain.records import Claim
from consent_service.domain.values import Channel, Command, Reason
from tests.domain.histories import A_WHILE, Play, Publish, Step, histories
from tests.domain.model import Model, Said, Version

CONFLICTS = (NotPossibleNow, ConfirmationNeeded, PurposeRetired, VersionOvertaken)
PROTECTIVE = (Command.WITHDRAW, Command.REFUSE, Command.OBJECT, Command.REVOKE)
CONSENT_KINDS = (BasesKind.CONSENT, BasesKind.CONSENT_INTERESTS)
History = tuple[Publish, list[Step]]

thorough = settings(max_examples=150, deadline=None, database=None)


@thorough
@given(histories)
def test_the_state_is_always_the_fold_of_the_records(history: History) -> None:
    """R15."""
    first, steps = history
    play = Play(first)
    for step in steps:
        play.takes(step)
        assert play.pair.folded() == play.pair.state
        assert fold(play.pair.purpose, reversed(play.pair.facts)) == play.pair.state
        if play.pair.state is not None:
            assert play.pair.state.latest_at == max(fact.effective_at for fact in play.pair.facts)


@thorough
@given(histories)
def test_a_refusal_or_a_repetition_leaves_everything_alone(history: History) -> None:
    """R8, R23."""
    first, steps = history
    play = Play(first)
    for step in steps:
        state, facts = play.pair.state, list(play.pair.facts)
        play.takes(step)
        if play.refusal is not None:
            assert (play.pair.state, play.pair.facts) == (state, facts)
        elif play.verdict is not None and not play.verdict.appended:
            assert (play.pair.state, play.pair.facts) == (state, facts)
            assert play.verdict.standing in {fact.record_id for fact in facts}


@thorough
@given(histories)
def test_who_says_no_is_never_told_not_now(history: History) -> None:
    """R9."""
    first, steps = history
    play = Play(first)
    for step in steps:
        play.takes(step)
        if play.said is not None and play.said.command in PROTECTIVE:
            assert not isinstance(play.refusal, CONFLICTS)


@thorough
@given(histories)
def test_nobody_may_go_on_but_as_core_1_says(history: History) -> None:
    """CORE 1, 7: and where consent is needed a yes has a grant or a confirmation behind it that has not ended."""
    first, steps = history
    play = Play(first)
    for step in steps:
        play.takes(step)
        for while_later in A_WHILE:
            at = play.now + while_later
            answer = play.pair.permission(at)
            kind = play.pair.purpose.current(at).kind
            if kind in CONSENT_KINDS:
                assert answer.allowed == (answer.status in ("given", "renewed"))
                assert not answer.allowed or agreed(play, at)
            elif kind is BasesKind.INTERESTS:
                assert answer.allowed == (answer.status in ("unknown", "deferred"))
            else:
                assert answer.allowed == (kind is not BasesKind.NONE)
            assert answer.until is None or (answer.allowed and answer.until > at)


def agreed(play: Play, at: datetime) -> bool:
    """Whether the standing version was granted or confirmed, and neither passed nor was overtaken."""
    state = play.pair.state
    assert state is not None
    yes = [fact for fact in play.pair.facts if fact.record_id == state.record_id]
    return (
        [fact.command in (Command.GRANT, Command.CONFIRM) for fact in yes] == [True]
        and (state.until is None or at < state.until)
        and play.pair.purpose.overtaken(state.version, at) is None
    )


@thorough
@given(histories)
def test_after_a_no_there_is_no_yes_without_a_new_yes(history: History) -> None:
    """The principle of CORE 2: nothing but a later grant or confirm of their own undoes a withdrawal."""
    first, steps = history
    play = Play(first)
    for step in steps:
        play.takes(step)
        answer = play.pair.permission(play.now)
        if answer.reason not in (Reason.GIVEN, Reason.RENEWED) or not answer.allowed:
            continue
        told = sorted(play.pair.facts, key=lambda fact: (fact.effective_at, fact.sequence))
        said = [fact.command for fact in told]
        noes = [index for index, command in enumerate(said) if command in PROTECTIVE]
        yeses = [index for index, command in enumerate(said) if command in (Command.GRANT, Command.CONFIRM)]
        assert max(yeses) > max(noes, default=-1)


@thorough
@given(histories)
def test_a_second_reading_of_the_rulings_agrees(history: History) -> None:
    """CORE 1 to 8, R8 to R17: `Model` is written without the table and without a stored state."""
    first, steps = history
    play = Play(first)
    model = Model([as_the_model_has_it(play.pair.purpose.versions[0])])
    for step in steps:
        play.takes(step)
        if play.published is not None:
            model.versions.append(as_the_model_has_it(play.published))
        if play.said is not None:
            assert model.hears(as_the_model_hears_it(play.said)).result == outcome(play)
        for while_later in A_WHILE:
            compare(play, model, play.now + while_later)


def outcome(play: Play) -> str:
    if play.refusal is not None:
        return "409" if isinstance(play.refusal, CONFLICTS) else "422"
    assert play.verdict is not None
    if not play.verdict.appended:
        return "="
    return "superseded" if play.verdict.superseded else "new"


def compare(play: Play, model: Model, at: datetime) -> None:
    reads, expected = play.pair.reads(at), model.reads(at)
    state, answer, permitted = play.pair.state, play.pair.permission(at), model.permission(at)
    assert (reads.status, reads.since, reads.until) == (expected.status, expected.since, expected.until)
    assert (answer.allowed, answer.reason, answer.until) == (
        permitted.allowed,
        permitted.reason,
        permitted.until,
    )
    chosen = state.preferences.topics if state and state.preferences else ()
    assert chosen == ((expected.topic,) if expected.topic else ())
    assert answer.version == permitted.version


def as_the_model_has_it(version: PurposeVersion) -> Version:
    content = version.content
    renewal = parse_duration(content.renew_after).exact.days if content.renew_after else None
    return Version(
        number=version.number,
        bases=frozenset(basis.value for basis in content.legal_bases),
        material=version.change == "material",
        starts=version.effective_from,
        double=content.confirmation is Confirmation.DOUBLE_OPT_IN,
        retired=content.retired,
        renew_days=renewal,
        confirm_days=3,
        published=version.published_at,
    )


def as_the_model_hears_it(claim: Claim) -> Said:
    chosen = claim.preferences
    return Said(
        command=claim.command,
        channel=claim.channel,
        now=claim.recorded_at,
        version=claim.version,
        occurred=claim.occurred_at,
        evidence=claim.has_evidence,
        topic=chosen.topics[0] if chosen else None,
        by_the_service=claim.channel is Channel.SYSTEM,
    )
