"""A batch of submissions decided together: pure bookkeeping between the reads and the writes of one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from consent_service.domain.audit import AuditAction
from consent_service.domain.changes import IdentifierChanged
from consent_service.domain.errors import (
    ConflictingIdentifiers,
    ConsentError,
    IdentifierTaken,
    NotFound,
    UnknownReference,
)
from consent_service.domain.identifiers import Identifier, lookup_hash
from consent_service.domain.partitions import shard_of, subject_hash
from consent_service.domain.propagation import Granted
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import Fact, State
from consent_service.domain.refusals import refuse_erased
from consent_service.storage.audit import AuditEntry
from consent_service.storage.idempotency import Remembered
from consent_service.storage.keyring import Keyring
from consent_service.storage.ledger import Append, StatePut
from consent_service.storage.notices import NewNotice
from consent_service.storage.propagation import NewDuty
from consent_service.storage.subjects import Link, NewIdentifier, NewSubject, SubjectRow
from consent_service.usecases.auditing import entry
from consent_service.usecases.choices import Choices
from consent_service.usecases.clock import new_id
from consent_service.usecases.idempotency import keep, replay
from consent_service.usecases.people import Draft, Person
from consent_service.usecases.submissions import Answer, Caller, Linked, SubjectReference, Submission

Outcome = Answer | ConsentError


class Entangled(Exception):
    """A submission means a person whom an earlier one of the same batch has just given an identifier.

    What was read under the locks was not read for both together: they must be decided in two transactions.
    """


class Loaded(msgspec.Struct, frozen=True):
    """What the transaction read under its locks."""

    now: datetime
    subjects: Mapping[UUID, SubjectRow]
    states: Mapping[UUID, Mapping[str, tuple[State, Granted]]]
    facts: Mapping[UUID, Mapping[str, list[Fact]]]
    hashes: Mapping[bytes, Link]
    purposes: Mapping[str, Mapping[str, Purpose]]
    answers: Mapping[bytes, Remembered]
    choices: Mapping[tuple[UUID, str], bytes]


class Batch:
    """Takes submissions one after the other; a refused one leaves no trace but its kept answer (R23)."""

    def __init__(self, loaded: Loaded, keyring: Keyring, keep_for: timedelta) -> None:
        self._loaded = loaded
        self._keyring = keyring
        self._keep_for = keep_for
        self._people: dict[UUID, Person] = {}
        self._hashes = dict(loaded.hashes)
        self._answers = dict(loaded.answers)
        self.choices = Choices(loaded.choices, loaded.now)
        self.written: list[Append] = []
        self.owed: list[NewDuty] = []
        self.kept: list[Remembered] = []
        self.new_subjects: list[NewSubject] = []
        self.new_identifiers: list[NewIdentifier] = []
        self.audit: list[AuditEntry] = []
        self.notices: list[NewNotice] = []

    @property
    def state_puts(self) -> list[StatePut]:
        return [put for person in self._people.values() for put in person.state_puts]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            self.written or self.kept or self.choices.taken or self.new_identifiers or self.new_subjects
        )

    def take(self, submission: Submission) -> Outcome:
        """One submission's outcome, remembered where it brought an idempotency key."""
        claim = submission.idempotency
        try:
            if claim is not None and (remembered := self._answers.get(claim.key)) is not None:
                return replay(claim, remembered)
            outcome: Outcome = self._record(submission)
        except ConsentError as refusal:
            if claim is not None and claim.key in self._answers:
                return refusal
            outcome = refusal
        if claim is not None:
            self._keep(submission, outcome)
        return outcome

    def _keep(self, submission: Submission, outcome: Outcome) -> None:
        assert submission.idempotency is not None
        kept = keep(
            submission.idempotency, submission.caller.controller, outcome, self._loaded.now, self._keep_for
        )
        if kept is not None:
            self._answers[kept.key] = kept
            self.kept.append(kept)

    def _record(self, submission: Submission) -> Answer:
        found = self._find(submission)
        chosen = submission.chosen
        if found is not None and chosen is not None and self.choices.is_taken(found, chosen):
            return self._again(found, submission)
        submission = self.choices.admitted(found, submission)
        person = self._new_person(submission.caller.controller) if found is None else found
        # One command changes nothing before nothing can refuse it any more, so it needs no copy.
        is_alone = len(submission.commands) == 1 and not submission.link
        drafted = person if is_alone else person.copy()
        draft = Draft(drafted, self._loaded.purposes[submission.caller.controller], self._loaded.now)
        results = draft.take(submission)
        self._refuse_taken(person, submission)
        if found is None:
            self._make(person)
        changed = self._link(person, submission)
        if not is_alone:
            person.take_over(drafted)
        self.written += draft.written
        self.owed += draft.owed
        if chosen is not None:
            self.choices.take(person, chosen)
        return Answer(
            subject_id=person.subject_id,
            created=found is None,
            appended=found is None or any(result.appended for result in results) or (changed and not results),
            results=results,
            linked=tuple(self._linked(person.controller, one) for one in submission.link),
            unrecorded=tuple(draft.unrecorded),
        )

    def _again(self, person: Person, submission: Submission) -> Answer:
        """A choice that came again adds nothing, whatever was said since; what would be left out now is told (R36)."""
        draft = Draft(person.copy(), self._loaded.purposes[person.controller], self._loaded.now)
        draft.take(submission)
        unrecorded = tuple(draft.unrecorded)
        return Answer(person.subject_id, created=False, appended=False, unrecorded=unrecorded, replayed=True)

    def _find(self, submission: Submission) -> Person | None:
        """The person meant, or None where identifiers that nobody has make a new one (R19)."""
        reference = submission.reference
        if reference.subject_id is not None:
            person = self._person(submission.caller.controller, reference.subject_id)
            if person is None:
                raise _unknown_subject(reference)
            return person
        controller = submission.caller.controller
        subjects = self._linked_subjects(controller, reference.identifiers, self._hashes)
        read = self._linked_subjects(controller, reference.identifiers, self._loaded.hashes)
        if any(subject_id in self._loaded.subjects for subject_id in subjects - read):
            raise Entangled
        if len(subjects) > 1:
            raise ConflictingIdentifiers(
                "These identifiers belong to different persons; name one person.", pointer=reference.pointer
            )
        return self._person(controller, subjects.pop()) if subjects else None

    def _linked_subjects(
        self, controller: str, identifiers: Sequence[Identifier], hashes: Mapping[bytes, Link]
    ) -> set[UUID]:
        wanted = identifier_hashes(self._keyring, controller, identifiers)
        return {hashes[one].subject_id for one in wanted if one in hashes}

    def _link_of(self, controller: str, identifier: Identifier) -> Link | None:
        wanted = identifier_hashes(self._keyring, controller, [identifier])
        return next((self._hashes[one] for one in wanted if one in self._hashes), None)

    def _linked(self, controller: str, identifier: Identifier) -> Linked:
        link = self._link_of(controller, identifier)
        assert link is not None
        return Linked(link.identifier_id, identifier.type)

    def _refuse_taken(self, person: Person, submission: Submission) -> None:
        """Raise IdentifierTaken where an identifier to link is another person's (409 until merging is built)."""
        if submission.link:
            refuse_erased(person.flags)
        for place, identifier in enumerate(submission.link):
            link = self._link_of(person.controller, identifier)
            if link is not None and link.subject_id != person.subject_id:
                raise IdentifierTaken(
                    "The identifier belongs to another person.", pointer=f"/identifiers/{place}"
                )

    def _person(self, controller: str, subject_id: UUID) -> Person | None:
        person = self._people.get(subject_id)
        if person is None:
            row = self._loaded.subjects.get(subject_id)
            if row is None or row.controller != controller:
                return None
            person = self._people[subject_id] = self._load_person(row)
        return person if person.controller == controller else None

    def _load_person(self, row: SubjectRow) -> Person:
        key = None
        if row.sealed_key is not None and row.key_id is not None:
            key = self._keyring.open(row.key_id, row.sealed_key, key_place(row.subject_id))
        facts = self._loaded.facts.get(row.subject_id)
        states = self._loaded.states.get(row.subject_id, {})
        return Person(
            controller=row.controller,
            subject_id=row.subject_id,
            shard=row.shard,
            created_at=row.created_at,
            key=key,
            last_sequence=row.last_sequence,
            last_hash=row.last_hash,
            last_recorded_at=row.last_recorded_at,
            flags=row.flags,
            states={purpose: state for purpose, (state, _) in states.items()},
            granted={purpose: granted for purpose, (_, granted) in states.items()},
            facts=None if facts is None else dict(facts),
        )

    def _new_person(self, controller: str) -> Person:
        subject_id = new_id(self._loaded.now)
        return Person(
            controller=controller,
            subject_id=subject_id,
            shard=shard_of(subject_hash(subject_id)),
            created_at=self._loaded.now,
            key=self._keyring.new_subject_key(),
            facts={},
        )

    def _make(self, person: Person) -> None:
        assert person.key is not None
        self._people[person.subject_id] = person
        self.new_subjects.append(
            NewSubject(
                controller=person.controller,
                subject_id=person.subject_id,
                shard=person.shard,
                created_at=self._loaded.now,
                key_id=self._keyring.sealing_id,
                sealed_key=self._keyring.seal(person.key, key_place(person.subject_id)),
            )
        )

    def _link(self, person: Person, submission: Submission) -> bool:
        """Link the identifiers that nobody has yet; tells whether there were any."""
        controller = person.controller
        linked_before = len(self.new_identifiers)
        for identifier in (*submission.reference.identifiers, *submission.link):
            if self._link_of(controller, identifier) is None:
                # A microsecond apart, so that ids keep the order in which they were named.
                linked_at = self._loaded.now + timedelta(
                    microseconds=len(self.new_identifiers) - linked_before
                )
                linked = new_identifier(self._keyring, controller, person.subject_id, identifier, linked_at)
                link = Link(person.subject_id, linked.identifier_id)
                self._hashes |= {one: link for _, one in linked.hashes}
                self.new_identifiers.append(linked)
                self.audit.append(link_entry(linked, submission.caller))
                self.notices.append(link_notice(linked, person.shard))
        return len(self.new_identifiers) > linked_before


def _unknown_subject(reference: SubjectReference) -> ConsentError:
    """404 where the subject stands in the path, 422 where it stands in the body (R20)."""
    if reference.pointer is None:
        return NotFound("The controller has no such subject.")
    return UnknownReference("The controller has no such subject.", pointer=reference.pointer)


def key_place(subject_id: UUID) -> bytes:
    """What a subject's sealed key is bound to."""
    return b"subject_keys" + subject_id.bytes


def identifier_place(identifier_id: UUID) -> bytes:
    """What an identifier's sealed value is bound to."""
    return b"identifiers" + identifier_id.bytes


def new_identifier(
    keyring: Keyring, controller: str, subject_id: UUID, identifier: Identifier, now: datetime
) -> NewIdentifier:
    """A link to be made: sealed under the key in use, and hashed under every look-up key that is known.

    So two processes that put different keys first find the same person, and cannot make two.
    """
    identifier_id = new_id(now)
    return NewIdentifier(
        controller=controller,
        subject_id=subject_id,
        identifier_id=identifier_id,
        type=identifier.type,
        sealing_key_id=keyring.sealing_id,
        sealed_value=keyring.seal(identifier.value.encode(), identifier_place(identifier_id)),
        linked_at=now,
        hashes=tuple(
            (key_id, lookup_hash(key, identifier.type, identifier.value))
            for key_id, key in keyring.lookup_keys(controller)
        ),
    )


def link_entry(linked: NewIdentifier, caller: Caller) -> AuditEntry:
    """Linking is told in the audit trail, not in the ledger (CORE 13)."""
    return entry(
        caller,
        AuditAction.IDENTIFIER_LINKED,
        linked.linked_at,
        linked.subject_id,
        identifier_id=linked.identifier_id,
        type=linked.type,
    )


def link_notice(linked: NewIdentifier, shard: int) -> NewNotice:
    """What the stream is told of it (R19)."""
    notice = IdentifierChanged(
        notice_id=new_id(linked.linked_at),
        controller=linked.controller,
        subject_id=linked.subject_id,
        identifier_id=linked.identifier_id,
        type=linked.type,
        linked=True,
        noticed_at=linked.linked_at,
    )
    return NewNotice(notice, shard)


def identifier_hashes(keyring: Keyring, controller: str, identifiers: Sequence[Identifier]) -> list[bytes]:
    """Every hash under which these identifiers may be found, one for each look-up key."""
    if not identifiers:
        return []
    return [
        lookup_hash(key, identifier.type, identifier.value)
        for _, key in keyring.lookup_keys(controller)
        for identifier in identifiers
    ]
