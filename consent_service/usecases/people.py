"""One subject inside one transaction: what is known of it, and what commands add (R14, R21)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from consent_service.domain.choices import AskAgain, Choice, Unrecorded, command_for, why_unrecorded
from consent_service.domain.consent import closing, decide
from consent_service.domain.encoding import commitment, genesis_hash, record_hash
from consent_service.domain.errors import (
    ConsentError,
    NotFound,
    NotPossibleNow,
    SeveralRefusals,
    UnknownReference,
    VersionOvertaken,
)
from consent_service.domain.propagation import Granted, granted_first, propagate
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import Claim, Fact, Record, State, SubjectFlags, Verdict
from consent_service.domain.values import Cause, Channel, Command
from consent_service.storage.keyring import seal_details
from consent_service.storage.ledger import Append, StatePut
from consent_service.storage.propagation import NewDuty
from consent_service.usecases.clock import new_id
from consent_service.usecases.submissions import CommandInput, Result, Submission

_MICROSECOND = timedelta(microseconds=1)
_NO_HASH = b""


class Details(msgspec.Struct, frozen=True):
    """What is sealed beside a record: the actor, and the evidence as it came, or `null` (R21, CORE 14)."""

    actor: str
    evidence: msgspec.Raw


class Person(msgspec.Struct):
    """A subject's working copy; `key` is the opened data key, null once the person was erased."""

    controller: str
    subject_id: UUID
    shard: int
    created_at: datetime
    key: bytes | None
    last_sequence: int = 0
    last_hash: bytes | None = None
    last_recorded_at: datetime | None = None
    flags: SubjectFlags = SubjectFlags()
    states: dict[str, State] = {}
    granted: dict[str, Granted] = {}
    """The versions granted, for each purpose that has a state."""
    facts: dict[str, list[Fact]] | None = None
    """The whole history by purpose; read only where a fact may be late."""
    touched: dict[str, int] = {}
    """Purpose -> sequence of its latest record, where the batch changed it."""

    def copy(self) -> Person:
        """One that may change without this one."""
        facts = self.facts
        return msgspec.structs.replace(
            self,
            states=dict(self.states),
            granted=dict(self.granted),
            facts=None if facts is None else {purpose: list(told) for purpose, told in facts.items()},
            touched=dict(self.touched),
        )

    def take_over(self, changed: Person) -> None:
        """Become what the copy has become."""
        for name in (
            "last_sequence",
            "last_hash",
            "last_recorded_at",
            "states",
            "granted",
            "facts",
            "touched",
        ):
            setattr(self, name, getattr(changed, name))

    @property
    def state_puts(self) -> list[StatePut]:
        """What stands now where the batch changed it."""
        return [
            StatePut(
                self.controller,
                self.subject_id,
                purpose,
                sequence,
                self.states[purpose],
                self.granted[purpose],
            )
            for purpose, sequence in self.touched.items()
        ]


class Draft:
    """The commands of one submission, decided on a person; several need a copy, which counts once all are taken."""

    def __init__(self, person: Person, purposes: Mapping[str, Purpose], now: datetime) -> None:
        self._person = person
        self._purposes = purposes
        self._now = now
        self.written: list[Append] = []
        self.owed: list[NewDuty] = []
        self.unrecorded: list[Unrecorded] = []

    def take(self, submission: Submission) -> tuple[Result, ...]:
        """Decide every command in order. Raises the refusal, or all of a decision's together (CORE 10).

        A choice about what has changed since it was shown has no result, and stands in `unrecorded` (R37).
        """
        results: list[Result] = []
        refusals: list[ConsentError] = []
        for command in submission.commands:
            try:
                results.append(self._take(command, submission))
            except ConsentError as refusal:
                why = self._why_unrecorded(command, refusal)
                if why is not None:
                    self.unrecorded.append(Unrecorded(command.purpose, why))
                    continue
                if command.pointer:
                    refusal.pointer = command.pointer + (refusal.pointer or "")
                refusals.append(refusal)
        if refusals:
            raise SeveralRefusals(refusals) if submission.commands[0].pointer else refusals[0]
        return tuple(results)

    def _why_unrecorded(self, command: CommandInput, refusal: ConsentError) -> AskAgain | None:
        purpose = self._purposes.get(command.purpose)
        if command.choice is None or purpose is None:
            return None
        is_current = purpose.current(self._now).number == command.version
        return why_unrecorded(command.choice, refusal, is_current=is_current)

    def _take(self, command: CommandInput, submission: Submission) -> Result:
        person = self._person
        purpose = self._purposes.get(command.purpose)
        if purpose is None:
            raise _unknown_purpose(command)
        recorded_at = self._now
        if person.last_recorded_at is not None:
            recorded_at = max(recorded_at, person.last_recorded_at + _MICROSECOND)
        state = person.states.get(command.purpose)
        if command.channel is Channel.SYSTEM:
            command = _as_it_ended(command, state, purpose, recorded_at)
        elif command.choice is not None:
            command = _as_chosen(command, command.choice, purpose, recorded_at)
        claim = Claim(
            command=command.command,
            record_id=new_id(recorded_at),
            sequence=person.last_sequence + 1,
            recorded_at=recorded_at,
            channel=command.channel,
            version=command.version,
            language_asked=command.language,
            occurred_at=command.occurred_at,
            source=command.source,
            preferences=command.preferences,
            has_evidence=command.evidence is not None,
            has_authority=command.has_authority,
            cause=cause_of(command),
        )
        verdict = decide(person.flags, state, claim, purpose, (person.facts or {}).get(command.purpose))
        if not verdict.appended:
            assert verdict.standing is not None
            return Result(verdict.standing, appended=False, permission=verdict.permission)
        record = self._append(command, claim, purpose, verdict, submission)
        return Result(record.record_id, appended=True, permission=verdict.permission, record=record)

    def _append(
        self, command: CommandInput, claim: Claim, purpose: Purpose, verdict: Verdict, submission: Submission
    ) -> Record:
        person = self._person
        assert person.key is not None
        actor = submission.caller.subject
        details = msgspec.json.encode(Details(actor, msgspec.Raw(command.evidence or b"null")))
        sealed = seal_details(person.key, claim.record_id.bytes, details)
        record = _record(person, command, claim, purpose, verdict, actor, sealed, submission.traceparent)
        self.written.append(record)
        person.last_sequence = record.sequence
        person.last_hash = record.record_hash
        person.last_recorded_at = record.recorded_at
        person.states[purpose.slug] = verdict.state
        person.touched[purpose.slug] = record.sequence
        self._propagate(record, purpose)
        if person.facts is not None:
            person.facts.setdefault(purpose.slug, []).append(_fact(record))
        return record

    def _propagate(self, record: Record, purpose: Purpose) -> None:
        """Who owes an acknowledgement of the record, by what stood before it (R34)."""
        person = self._person
        before = person.granted.get(purpose.slug)
        if before is None:
            before = granted_first(purpose, person.created_at, record.recorded_at)
        person.granted[purpose.slug], duties = propagate(before, record, purpose)
        self.owed += [NewDuty(record, duty) for duty in duties]


def cause_of(command: CommandInput) -> Cause | None:
    """A caller can bring an authority's word alone; the service's own cause is a material change (CORE 4)."""
    if command.command is not Command.INVALIDATE:
        return None
    return Cause.PURPOSE_CHANGED if command.channel is Channel.SYSTEM else Cause.AUTHORITY


def _as_it_ended(command: CommandInput, state: State | None, purpose: Purpose, at: datetime) -> CommandInput:
    """The service's own command as it follows from what stands under the lock, whatever was seen before (R17, CORE 4).

    Raises NotPossibleNow where nothing has ended: it was told already, or the person has spoken again.
    """
    closed = closing(state, purpose, at)
    if closed is None:
        raise NotPossibleNow("Nothing has ended by itself here.", ())
    own, ended_at = closed
    return msgspec.structs.replace(command, command=own, occurred_at=ended_at)


def _as_chosen(command: CommandInput, choice: Choice, purpose: Purpose, at: datetime) -> CommandInput:
    """The choice as the bases have it now. Raises VersionOvertaken for a grant of what was not shown (R37)."""
    governing = purpose.current(at)
    if choice is Choice.GIVEN and command.version is None:
        raise VersionOvertaken(f"It was not shown; show version {governing.number}.", governing.number)
    return msgspec.structs.replace(command, command=command_for(choice, governing.kind))


def _unknown_purpose(command: CommandInput) -> ConsentError:
    """404 where the purpose stands in the path, 422 where it stands in the body (R20)."""
    if not command.pointer:
        return NotFound("The controller has no such purpose.")
    return UnknownReference("The controller has no such purpose.", pointer="/purpose")


def _record(
    person: Person,
    command: CommandInput,
    claim: Claim,
    purpose: Purpose,
    verdict: Verdict,
    actor: str,
    sealed: bytes,
    traceparent: str | None,
) -> Append:
    assert person.key is not None
    version = purpose.versions[verdict.version - 1]
    notice_hash = version.notice_hashes[verdict.language] if verdict.language is not None else None
    record = Append(
        record_id=claim.record_id,
        controller=person.controller,
        subject_id=person.subject_id,
        sequence=claim.sequence,
        purpose=purpose.slug,
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
        language=verdict.language,
        notice_hash=None if notice_hash is None else bytes.fromhex(notice_hash),
        channel=claim.channel,
        source=claim.source,
        choice_id=command.choice_id,
        screen_hash=command.screen_hash,
        actor_commitment=commitment(person.key, claim.record_id, "actor", actor.encode()),
        evidence_commitment=(
            None
            if command.evidence is None
            else commitment(person.key, claim.record_id, "evidence", command.evidence)
        ),
        previous_hash=person.last_hash or genesis_hash(person.controller, person.subject_id),
        record_hash=_NO_HASH,
        standing_version=verdict.permission.version,
        standing_preferences=verdict.state.preferences,
        sealed=sealed,
        shard=person.shard,
        traceparent=traceparent,
    )
    # A copy of thirty fields for the sake of the last would cost as much as the hash.
    msgspec.structs.force_setattr(record, "record_hash", record_hash(record))
    return record


def _fact(record: Record) -> Fact:
    assert record.version is not None
    assert record.governing_version is not None
    return Fact(
        record_id=record.record_id,
        sequence=record.sequence,
        command=record.command,
        version=record.version,
        governing_version=record.governing_version,
        effective_at=record.effective_at,
        preferences=record.preferences,
        cause=record.cause,
    )
