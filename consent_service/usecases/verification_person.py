"""Whether what lies in the database about one person hangs together: chain, head, details, states (R21, CORE 18)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.consent import fold
from consent_service.domain.encoding import KEY_BYTES, commitment, genesis_hash, record_hash
from consent_service.domain.propagation import Granted, granted_first, propagate
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import Fact, Preferences, Record, State
from consent_service.domain.values import Cause, Command, Status
from consent_service.storage.keyring import Keyring, SealBroken, open_details
from consent_service.storage.records import record_from_row
from consent_service.storage.verification import FoundPerson, FoundRecord, FoundState, Removals
from consent_service.usecases.batches import key_place
from consent_service.usecases.people import Details


class What(StrEnum):
    """Everything that can be wrong, as an operator reads it."""

    NO_PERSON = "the person's own row is not there"
    KEY_MISSING = "the person's key is gone, and the person was not erased"
    KEY_BROKEN = "the person's key does not open under the sealing keys given"
    HEAD = "the head in the person's row is not the last record"
    FLAGS = "the flags in the person's row are not what the person-wide records say"
    GAP = "records before this one are missing"
    LINK = "previous_hash is not the hash of the record before"
    CHANGED = "record_hash is not the hash of the record's fields"
    UNREADABLE = "a field holds what the service never writes"
    TIME = "recorded_at is not later than that of the record before"
    CATALOGUE = "the catalogue does not have this purpose and version"
    STANDING = "what is said to stand after this record does not follow from the records"
    DETAILS_MISSING = "the details are gone, and the audit tells of no removal"
    DETAILS_BROKEN = "the details do not open under the person's key"
    DETAILS_CHANGED = "the details are not those that the record commits to"
    DETAILS_STRAY = "there are details of a record that is not there"
    STATE = "what stands is not what the records add up to"


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong. `sequence` is null where it is not about one record; `detail` names what of it."""

    controller: str
    subject_id: UUID
    sequence: int | None
    what: What
    detail: str = ""


#: Which person-wide commands raise and lower which flag (R13).
_RAISED_BY = {
    "erased": (Command.ERASE, None),
    "suppressed": (Command.SUPPRESS, Command.LIFT_SUPPRESSION),
    "restricted": (Command.RESTRICT, Command.LIFT_RESTRICTION),
}
_details = msgspec.json.Decoder(Details)
_plain = msgspec.json.decode


class PersonCheck:
    """Takes one person's records in the order of their sequence, then `close`. Every fault goes to `report`."""

    def __init__(
        self,
        person: FoundPerson,
        purposes: Mapping[str, Purpose],
        keyring: Keyring,
        removals: Removals,
        report: Callable[[Fault], None],
    ) -> None:
        self._place = (person.controller, person.subject_id)
        self.records = 0
        self.details = 0
        self._person = person
        self._purposes = purposes
        self._removals = removals
        self._report = report
        self._last: FoundRecord | None = None
        self._wide: list[Command] = []
        self._pairs: dict[str, Pair | None] = {}
        """By purpose; null where a record cannot be judged."""
        if person.head is None:
            self._fault(What.NO_PERSON)
        self._key = self._open_key(keyring)

    def take(self, found: FoundRecord) -> None:
        """The next record."""
        self.records += 1
        self._check_link(found)
        self._last = found
        try:
            record = record_from_row(found.columns)
            hashed = record_hash(record)
        except (ValueError, OverflowError):
            self._fault(What.UNREADABLE, found.sequence)
            self._pairs[found.purpose or ""] = None
            return
        if hashed != record.record_hash:
            self._fault(What.CHANGED, found.sequence)
        self._check_details(record, found.sealed)
        if record.purpose is None:
            self._wide.append(record.command)
        else:
            self._check_standing(record, record.purpose)

    def close(self, states: Iterable[FoundState], stray_details: int) -> None:
        """The person is complete: compare the head, the flags and what stands."""
        if stray_details:
            self._fault(What.DETAILS_STRAY, detail=str(stray_details))
        self._check_head()
        self._check_flags()
        found = {state.purpose: state.columns for state in states}
        for purpose in sorted(found.keys() | {slug for slug, pair in self._pairs.items() if pair}):
            pair = self._pairs.get(purpose)
            if purpose in self._pairs and pair is None:
                continue
            differing = _differing(pair, found.get(purpose))
            if differing:
                self._fault(What.STATE, detail=f"{purpose}: {differing}")

    def _fault(self, what: What, sequence: int | None = None, detail: str = "") -> None:
        self._report(Fault(*self._place, sequence, what, detail))

    def _open_key(self, keyring: Keyring) -> bytes | None:
        person = self._person
        if person.sealed_key is None or person.key_id is None:
            if person.head is not None and person.head.flags.erased_at is None:
                self._fault(What.KEY_MISSING)
            return None
        try:
            key = keyring.open(person.key_id, person.sealed_key, key_place(person.subject_id))
            if len(key) == KEY_BYTES:
                return key
        except (SealBroken, ValueError):
            pass
        self._fault(What.KEY_BROKEN)
        return None

    def _check_link(self, found: FoundRecord) -> None:
        last = self._last
        if found.sequence != (last.sequence if last else 0) + 1:
            self._fault(What.GAP, found.sequence)
        if found.previous_hash != (last.record_hash if last else genesis_hash(*self._place)):
            self._fault(What.LINK, found.sequence)
        if last is not None and found.recorded_at <= last.recorded_at:
            self._fault(What.TIME, found.sequence)

    def _check_details(self, record: Record, sealed: bytes | None) -> None:
        committed = (record.actor_commitment, record.evidence_commitment)
        if sealed is None:
            removed = self._removals.everything or str(record.record_id) in self._removals.record_ids
            if committed != (None, None) and not removed:
                self._fault(What.DETAILS_MISSING, record.sequence)
            return
        if self._key is None:
            # Gone with the person, as it should, or told already.
            return
        try:
            details = _details.decode(open_details(self._key, record.record_id.bytes, sealed))
        except (SealBroken, ValueError):
            self._fault(What.DETAILS_BROKEN, record.sequence)
            return
        if _commitments(self._key, record.record_id, details) != committed:
            self._fault(What.DETAILS_CHANGED, record.sequence)
            return
        self.details += 1

    def _check_standing(self, record: Record, slug: str) -> None:
        if slug not in self._pairs:
            purpose = self._purposes.get(slug)
            head = self._person.head
            known_since = None if head is None else head.created_at
            self._pairs[slug] = None if purpose is None else Pair(purpose, known_since)
            if purpose is None:
                self._fault(What.CATALOGUE, record.sequence)
        pair = self._pairs[slug]
        if pair is None:
            return
        fact = _fact(record)
        if fact is None or not pair.knows(fact):
            self._fault(What.CATALOGUE, record.sequence)
            self._pairs[slug] = None
        elif not pair.take(record, fact):
            self._fault(What.STANDING, record.sequence)

    def _check_head(self) -> None:
        head, last = self._person.head, self._last
        if head is None:
            return
        expected: tuple[int, bytes | None, datetime | None] = (0, None, None)
        if last is not None:
            expected = (last.sequence, last.record_hash, last.recorded_at)
        names = ("last_sequence", "last_hash", "last_recorded_at")
        wrong = [name for name, value in zip(names, expected, strict=True) if getattr(head, name) != value]
        if wrong:
            self._fault(What.HEAD, detail=", ".join(wrong))

    def _check_flags(self) -> None:
        if self._person.head is None or "" in self._pairs:
            return
        flags = self._person.head.flags
        wrong = [
            flag
            for flag, (raise_it, lower_it) in _RAISED_BY.items()
            if _raised(self._wide, raise_it, lower_it) != (getattr(flags, f"{flag}_at") is not None)
        ]
        if wrong:
            self._fault(What.FLAGS, detail=", ".join(wrong))


class Pair:
    """What the records of one person and one purpose add up to so far (R15, CORE 7)."""

    def __init__(self, purpose: Purpose, known_since: datetime | None) -> None:
        """`known_since` is null where nobody says since when the person is known: who owes what is not judged then."""
        self._purpose = purpose
        self._known_since = known_since
        self._granted: Granted | None = None
        self._facts: list[Fact] = []
        self._latest_at: datetime | None = None
        self._version: int | None = None
        self._preferences: Preferences | None = None

    def knows(self, fact: Fact) -> bool:
        """Whether the purpose has the versions that the fact names."""
        return all(self._purpose.get(number) for number in (fact.version, fact.governing_version))

    def take(self, record: Record, fact: Fact) -> bool:
        """Whether the version and preferences that are said to stand after this record do so.

        Both lie outside the hash, since they follow from the records. Those of a superseded record were never told
        as news, and are not looked at.
        """
        self._facts.append(fact)
        if self._latest_at is not None and fact.effective_at < self._latest_at:
            state = self.state()
            self._version, self._preferences = state.version, state.preferences
        else:
            # Not late: a record is only made where its command took effect, on the record before it.
            self._latest_at = fact.effective_at
            if self._version is None or not _keeps_version(fact):
                self._version = fact.version
            if fact.preferences is not None:
                self._preferences = fact.preferences
        version = fact.governing_version if record.status is Status.UNKNOWN else self._version
        self._propagate(record, version)
        said = (record.standing_version, record.standing_preferences)
        return record.superseded or said == (version, self._preferences)

    def _propagate(self, record: Record, version: int | None) -> None:
        if self._known_since is None:
            return
        if record.standing_version != version:
            # What somebody wrote there may be no version at all.
            record = msgspec.structs.replace(record, standing_version=version)
        if self._granted is None:
            self._granted = granted_first(self._purpose, self._known_since, record.recorded_at)
        self._granted, _ = propagate(self._granted, record, self._purpose)

    def state(self) -> State:
        state = fold(self._purpose, self._facts)
        assert state is not None
        return state

    def columns(self) -> dict[str, Any]:
        """The row of states that should be there."""
        state = self.state()
        return {
            "status": state.status.value,
            "command": state.command.value,
            "version": state.version,
            "record_id": state.record_id,
            "sequence": max(fact.sequence for fact in self._facts),
            "since": state.since,
            "until": state.until,
            "effective_at": state.latest_at,
            "preferences": None
            if state.preferences is None
            else _plain(msgspec.json.encode(state.preferences)),
            "preferences_record_id": state.preferences_record_id,
            **({} if self._granted is None else {"granted_versions": list(self._granted)}),
        }


def _keeps_version(fact: Fact) -> bool:
    """Preferences, and the service's own closing of a consent, leave the version that stands (R11, CORE 7)."""
    return fact.command in (Command.PREFER, Command.EXPIRE) or fact.cause is Cause.PURPOSE_CHANGED


def _fact(record: Record) -> Fact | None:
    if record.version is None or record.governing_version is None:
        return None
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


def _commitments(key: bytes, record_id: UUID, details: Details) -> tuple[bytes, bytes | None]:
    evidence = bytes(details.evidence)
    return (
        commitment(key, record_id, "actor", details.actor.encode()),
        None if evidence == b"null" else commitment(key, record_id, "evidence", evidence),
    )


def _raised(said: Iterable[Command], raise_it: Command, lower_it: Command | None) -> bool:
    raised = False
    for command in said:
        if command in (raise_it, lower_it):
            raised = command is raise_it
    return raised


def _differing(pair: Pair | None, found: Mapping[str, Any] | None) -> str:
    """The names of the columns that differ, or which side has nothing at all; empty where all is well."""
    if pair is None:
        return "there is no record"
    if found is None:
        return "there is no state"
    raw = found["preferences"]
    found = {**found, "preferences": None if raw is None else _plain(raw)}
    return ", ".join(name for name, value in pair.columns().items() if found[name] != value)
