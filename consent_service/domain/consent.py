"""Two pure functions over the lifecycle: `decide` a command, tell a `permission`; and the `fold` that joins them.

R7 to R18, CORE 1 to 7. Everything that depends on time takes the time as an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from consent_service.domain.durations import add_duration
from consent_service.domain.errors import NotPossibleNow
from consent_service.domain.lifecycle import LIFECYCLE, Cell, Outcome
from consent_service.domain.purposes import BasesKind, Purpose, PurposeVersion
from consent_service.domain.records import (
    Claim,
    Fact,
    Permission,
    Preferences,
    State,
    SubjectFlags,
    Verdict,
)
from consent_service.domain.refusals import (
    judged_version,
    refuse_bases,
    refuse_erased,
    refuse_now,
    refuse_values,
)
from consent_service.domain.values import DATED_CHANNELS, Cause, Channel, Command, Reason, Status

#: A grant repeated within this time, for the same version and preferences, is the same grant (R8).
SAME_GRANT = timedelta(hours=24)

_NONE = Preferences()
_CLOSING = frozenset({Status.GIVEN, Status.RENEWED, Status.REQUESTED})
_CONSENTED = frozenset({Status.GIVEN, Status.RENEWED})


class Standing(msgspec.Struct, frozen=True):
    """A state as it reads at one moment: expiry and material change judged (R4, R17, CORE 7)."""

    status: Status
    since: datetime | None
    until: datetime | None


def standing(state: State | None, purpose: Purpose, at: datetime, known: int | None = None) -> Standing:
    """What stands at that moment. Where expiry and a material change both passed, the earlier one counts.

    With `known`, as it was judged when that was the purpose's current version.
    """
    if state is None:
        return Standing(Status.UNKNOWN, None, None)
    if state.status not in _CLOSING:
        return Standing(state.status, None if state.status is Status.UNKNOWN else state.since, None)
    overtaking = purpose.overtaken(state.version, at, known)
    until = state.until
    expired_first = until is not None and (overtaking is None or until <= overtaking.effective_from)
    if until is not None and until <= at and expired_first:
        return Standing(Status.EXPIRED, until, None)
    if overtaking is not None:
        return Standing(Status.INVALIDATED, overtaking.effective_from, None)
    return Standing(state.status, state.since, until)


def closing(state: State | None, purpose: Purpose, at: datetime) -> tuple[Command, datetime] | None:
    """The service's own command that writes down how a consent or request has ended by itself, and when (CORE 4).

    None where nothing has ended, or where it was written down already.
    """
    if state is None or state.status not in _CLOSING:
        return None
    stands = standing(state, purpose, at)
    if stands.status not in (Status.EXPIRED, Status.INVALIDATED):
        return None
    assert stands.since is not None
    return Command.EXPIRE if stands.status is Status.EXPIRED else Command.INVALIDATE, stands.since


def permission(subject: SubjectFlags, state: State | None, purpose: Purpose, now: datetime) -> Permission:
    """May this purpose be pursued for this subject at that moment, and why (CORE 1, 7, 11)."""
    governing = purpose.current(now)
    stands = standing(state, purpose, now)
    status = stands.status
    version = governing.number if state is None or status is Status.UNKNOWN else state.version
    allowed, reason = _judge(subject, governing, status, in_effect=purpose.in_effect(now))
    rests_on_consent = allowed and reason in (Reason.GIVEN, Reason.RENEWED)
    until = stands.until if rests_on_consent else None
    return Permission(allowed=allowed, reason=reason, status=status, version=version, until=until)


def _judge(
    subject: SubjectFlags, governing: PurposeVersion, status: Status, *, in_effect: bool
) -> tuple[bool, Reason]:
    if subject.erased_at is not None:
        return False, Reason.ERASED
    if subject.suppressed_at is not None:
        return False, Reason.SUPPRESSED
    if subject.restricted_at is not None:
        return False, Reason.RESTRICTED
    kind = governing.kind
    if kind is BasesKind.NONE or not in_effect:
        return False, Reason.NO_LEGAL_BASIS
    if kind in (BasesKind.OTHER, BasesKind.OTHER_INTERESTS):
        return True, Reason.NOT_CONSENT_BASED
    if kind is BasesKind.INTERESTS:
        if status in (Status.UNKNOWN, Status.DEFERRED):
            return True, Reason.LEGITIMATE_INTEREST
        return False, Reason(status.value)
    if status is Status.UNKNOWN:
        return False, Reason.NO_RECORD
    return status in _CONSENTED, Reason(status.value)


def effective_time(claim: Claim) -> datetime:
    """The claim's place in history: its `occurred_at` where the channel is trusted with it, never ahead (R14)."""
    if claim.occurred_at is None or claim.channel not in DATED_CHANNELS:
        return claim.recorded_at
    return min(claim.occurred_at, claim.recorded_at)


def decide(
    subject: SubjectFlags,
    state: State | None,
    claim: Claim,
    purpose: Purpose,
    history: Iterable[Fact] | None = None,
) -> Verdict:
    """Judge one command against what stands: a new record, the standing one, or a refusal that is raised.

    A late fact (`is_late`) needs the pair's whole `history`; for any other it is not looked at.
    What a late fact is about is what stood in its place in history.
    Raises a ConsentError: first what is not acceptable (422), then erased (410), then not now (409) (CORE 12).
    """
    now = claim.recorded_at
    at = effective_time(claim)
    late = is_late(state, claim)
    told = list(history or ()) if late else []
    here = fold(purpose, [fact for fact in told if fact.effective_at <= at]) if late else state
    governing = purpose.current(now)
    stands = standing(here, purpose, at)
    # The service's own acts follow from what reading shows already; no basis refuses them (CORE 4).
    own = claim.channel is Channel.SYSTEM
    outcome = None if own else _outcome(governing.kind, stands.status, claim.command, here)
    refuse_bases(outcome, governing)
    version = purpose.versions[judged_version(claim, purpose, here, stands.status) - 1]
    language = refuse_values(claim, version, here, stands.status, late=late)
    refuse_erased(subject)
    refuse_now(claim, purpose, version, governing, stands.status, outcome, at=at, late=late)
    fact = Fact(
        record_id=claim.record_id,
        sequence=claim.sequence,
        command=claim.command,
        version=version.number,
        governing_version=governing.number,
        effective_at=at,
        preferences=claim.preferences,
        cause=claim.cause,
    )
    if late:
        after = fold(purpose, [*told, fact])
        assert after is not None
    else:
        after = _step(purpose, state, fact)
        if fact.record_id not in (after.record_id, after.preferences_record_id):
            return _standing_verdict(subject, state, purpose, fact, now)
    before = _visible(state, purpose, now)
    reads = standing(after, purpose, now)
    return Verdict(
        appended=True,
        state=after,
        permission=permission(subject, after, purpose, now),
        status=reads.status,
        version=version.number,
        governing_version=governing.number,
        effective_at=at,
        until=reads.until,
        language=language,
        superseded=late and before == _visible(after, purpose, now),
    )


def is_late(state: State | None, claim: Claim) -> bool:
    """Whether the claim lies before the pair's newest effective time, so that history is folded anew (R15)."""
    return state is not None and effective_time(claim) < state.latest_at


def fold(purpose: Purpose, facts: Iterable[Fact]) -> State | None:
    """What a pair's facts add up to, in the order of (effective time, sequence) (R15)."""
    state: State | None = None
    for fact in sorted(facts, key=lambda fact: (fact.effective_at, fact.sequence)):
        state = _step(purpose, state, fact)
    return state


def _visible(state: State | None, purpose: Purpose, now: datetime) -> tuple[object, ...]:
    """What `superseded` compares: status, until, version and preferences (CORE 6)."""
    reads = standing(state, purpose, now)
    if state is None:
        return (reads.status, None, None, None)
    version = None if reads.status is Status.UNKNOWN else state.version
    return (reads.status, reads.until, version, state.preferences)


def _standing_verdict(
    subject: SubjectFlags, state: State | None, purpose: Purpose, fact: Fact, now: datetime
) -> Verdict:
    if state is None:
        raise NotPossibleNow(f"There is nothing to {fact.command} yet.", ())
    reads = standing(state, purpose, now)
    prefers = fact.command is Command.PREFER
    return Verdict(
        appended=False,
        state=state,
        permission=permission(subject, state, purpose, now),
        status=reads.status,
        version=state.version,
        governing_version=fact.governing_version,
        effective_at=fact.effective_at,
        until=reads.until,
        standing=state.preferences_record_id if prefers else state.record_id or state.preferences_record_id,
    )


def _outcome(kind: BasesKind, status: Status, command: Command, state: State | None) -> Outcome | None:
    """The table's cell; None for the service's own `expire`. A lift right after a lift says nothing new (CORE 2)."""
    lifted = state is not None and state.record_id is not None and state.command is Command.LIFT_OBJECTION
    if lifted and command is Command.LIFT_OBJECTION:
        return Cell.STANDING
    return LIFECYCLE[kind][status].get(command)


def _step(purpose: Purpose, state: State | None, fact: Fact) -> State:
    """One fact on what stands before it, judged at its own time; a cell that changes nothing moves only `latest_at`."""
    at = fact.effective_at
    stands = standing(state, purpose, at, fact.governing_version)
    governing = purpose.versions[fact.governing_version - 1]
    target = _target(state, fact, stands.status, governing.kind)
    kept = _kept(state, fact)
    if target is Cell.KEEP:
        return _preferring(kept, fact)
    if not isinstance(target, Status):
        return kept
    speaks = fact.preferences is not None
    # The service's own record writes down what reading shows already, so it moves neither version nor moment.
    own = _by_the_service(fact)
    return State(
        status=target,
        command=fact.command,
        version=kept.version if own else fact.version,
        record_id=fact.record_id,
        since=stands.since if own else at,
        until=_until(purpose, fact, target),
        latest_at=kept.latest_at,
        preferences=fact.preferences if speaks else kept.preferences,
        preferences_record_id=fact.record_id if speaks else kept.preferences_record_id,
    )


def _kept(state: State | None, fact: Fact) -> State:
    if state is None:
        return State(
            status=Status.UNKNOWN,
            command=fact.command,
            version=fact.version,
            record_id=None,
            since=None,
            until=None,
            latest_at=fact.effective_at,
        )
    if fact.effective_at <= state.latest_at:
        return state
    return msgspec.structs.replace(state, latest_at=fact.effective_at)


def _preferring(kept: State, fact: Fact) -> State:
    if kept.preferences_record_id is not None and kept.preferences == fact.preferences:
        return kept
    return msgspec.structs.replace(kept, preferences=fact.preferences, preferences_record_id=fact.record_id)


def _target(state: State | None, fact: Fact, status: Status, kind: BasesKind) -> Outcome | None:
    """Where the fact leads: a status, `Cell.KEEP` for preferences alone, or anything else for no change."""
    if _by_the_service(fact):
        closing = Status.EXPIRED if fact.command is Command.EXPIRE else Status.INVALIDATED
        return closing if _closes(state, status, closing) else Cell.STANDING
    outcome = _outcome(kind, status, fact.command, state)
    if outcome is Cell.GIVE:
        return Status.GIVEN
    if outcome is Cell.ASK_AGAIN:
        return Cell.STANDING if state is not None and state.version == fact.version else Status.REQUESTED
    if outcome is Cell.RENEW:
        return Cell.STANDING if _same_grant(state, fact) else Status.RENEWED
    return outcome


def _by_the_service(fact: Fact) -> bool:
    """Whether the fact closes a consent that time or a new version has ended: it is about that consent's version."""
    return fact.command is Command.EXPIRE or fact.cause is Cause.PURPOSE_CHANGED


def _closes(state: State | None, reads: Status, closing: Status) -> bool:
    """The service's own record writes down what reading already shows, once (R17, CORE 4)."""
    return state is not None and state.status in _CLOSING and reads is closing


def _same_grant(state: State | None, fact: Fact) -> bool:
    if state is None or state.since is None:
        return False
    return (
        state.version == fact.version
        and (fact.preferences is None or fact.preferences == (state.preferences or _NONE))
        and fact.effective_at - state.since < SAME_GRANT
    )


def _until(purpose: Purpose, fact: Fact, target: Status) -> datetime | None:
    version = purpose.get(fact.version)
    if version is None:
        return None
    if target in _CONSENTED and version.renew_after is not None:
        return add_duration(fact.effective_at, version.renew_after)
    if target is Status.REQUESTED:
        return add_duration(fact.effective_at, version.confirm_within)
    return None
