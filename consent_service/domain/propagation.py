"""Who must act on a record, and what a recipient's word about it is worth (R34)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from consent_service.domain.consent import permission
from consent_service.domain.durations import add_duration
from consent_service.domain.errors import InvalidValue, UnknownReference
from consent_service.domain.purposes import BasesKind, Purpose
from consent_service.domain.records import Record, SubjectFlags
from consent_service.domain.refusals import CLOCK_SKEW
from consent_service.domain.values import Command


class AckOutcome(StrEnum):
    """What a recipient did about a record."""

    STOPPED = "stopped"
    STARTED = "started"
    FAILED = "failed"
    NOT_HELD = "not_held"
    ACCEPTED = "accepted"
    ERASED = "erased"


#: Words after which nothing is owed any more.
SETTLING = frozenset({AckOutcome.STOPPED, AckOutcome.STARTED, AckOutcome.NOT_HELD, AckOutcome.ERASED})
#: No promise reaches further: a person's request is answered within a month.
ACCEPTED_MAX = timedelta(days=31)

_GRANTING = frozenset({Command.GRANT, Command.CONFIRM})
_BY_CONSENT = frozenset({BasesKind.CONSENT, BasesKind.CONSENT_INTERESTS})
_UNASKED = frozenset({BasesKind.INTERESTS, BasesKind.OTHER, BasesKind.OTHER_INTERESTS})


#: Under which versions a pair has been allowed since it last was not; none where it is not allowed.
Granted = tuple[int, ...]


class Duty(msgspec.Struct, frozen=True):
    """One recipient's, to act on a record and to say so until `due_at`."""

    recipient: str
    due_at: datetime


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient's word about a record. `at` is by its own clock; `due_at` only with `accepted`."""

    controller: str
    recipient: str
    record_id: UUID
    outcome: AckOutcome
    at: datetime
    due_at: datetime | None = None
    acknowledgement_id: UUID | None = None
    subject_id: UUID | None = None
    """Whose record it is, where the word names the person too."""


class Reached(msgspec.Struct, frozen=True):
    """What of a record a word is judged by. `purpose` is null where it is about the person as a whole."""

    subject_id: UUID
    sequence: int
    purpose: str | None
    allowed: bool | None


class NoSuchRecord(UnknownReference):
    """Words about it are worth nothing."""


class NotARecipient(UnknownReference):
    """It was never sent what it speaks of."""


def granted_first(purpose: Purpose, known_since: datetime, at: datetime) -> Granted:
    """Of a person without a record: by the default of the version that governs then."""
    if not permission(SubjectFlags(), None, purpose, at).allowed:
        return ()
    return (purpose.current(known_since).number,)


def propagate(before: Granted, record: Record, purpose: Purpose) -> tuple[Granted, tuple[Duty, ...]]:
    """What is granted after a record, and who owes an acknowledgement of it: those whom a flip concerns.

    A flip to yes concerns the recipients of the version granted; one to no those of every version under which it was
    allowed since the last flip, so that one that was dropped since must still stop.
    """
    if not record.allowed:
        return (), _duties(_since(before, record, purpose), record, purpose)
    under = _under(record, purpose)
    if not before:
        return (under,), _duties((under,), record, purpose)
    return tuple(sorted({*_since(before, record, purpose), under, *_named(record)})), ()


def _rests_on_consent(record: Record, purpose: Purpose) -> bool:
    assert record.governing_version is not None
    return purpose.versions[record.governing_version - 1].kind in _BY_CONSENT


def _under(record: Record, purpose: Purpose) -> int:
    """The version under which it is allowed: the one granted, or else the one that governs."""
    number = record.standing_version if _rests_on_consent(record, purpose) else record.governing_version
    assert number is not None
    return number


def _named(record: Record) -> tuple[int, ...]:
    """A late fact may grant another version than the one that stands."""
    return (record.version,) if record.version is not None and record.command in _GRANTING else ()


def _since(before: Granted, record: Record, purpose: Purpose) -> Iterable[int]:
    """The versions under which it was allowed up to this record: without consent, all that have governed since."""
    if not before:
        return before
    assert record.governing_version is not None
    governed = range(before[-1], record.governing_version + 1)
    if _rests_on_consent(record, purpose):
        # Where it did not before, nobody granted what governed then.
        return {*before, *(number for number in governed if purpose.versions[number - 1].kind in _UNASKED)}
    return {*before, *governed}


def _duties(versions: Iterable[int], record: Record, purpose: Purpose) -> tuple[Duty, ...]:
    """Each recipient once, with the deadline that the latest of these versions sets it."""
    deadlines = {}
    for number in sorted(versions):
        deadlines.update(purpose.versions[number - 1].deadlines)
    return tuple(
        Duty(recipient, add_duration(record.recorded_at, deadline))
        for recipient, deadline in deadlines.items()
    )


def recipients_of(purpose: Purpose) -> set[str]:
    """Everybody whom any version names."""
    return {recipient for version in purpose.versions for recipient in version.deadlines}


def judge(word: Word, reached: Reached | None, purposes: Iterable[Purpose], now: datetime) -> None:
    """Raise where a word is not to be believed: NoSuchRecord, NotARecipient, or InvalidValue about what it says.

    `reached` is the controller's record of that id, if it has one, `purposes` those that the record is about: all of
    the controller's where it is about the person as a whole.
    """
    if reached is None or word.subject_id not in (None, reached.subject_id):
        raise NoSuchRecord("The controller has no such record.", pointer="/record_id")
    if not any(word.recipient in recipients_of(purpose) for purpose in purposes):
        raise NotARecipient(
            f"No version of a purpose that the record is about names {word.recipient} as a recipient.",
            pointer="/record_id",
        )
    if word.outcome is AckOutcome.STARTED and not reached.allowed:
        raise InvalidValue("After this record nothing is allowed: it cannot be started.", pointer="/outcome")
    if word.at > now + CLOCK_SKEW:
        raise InvalidValue("`at` lies in the future.", pointer="/at")
    _judge_promise(word, now)


def _judge_promise(word: Word, now: datetime) -> None:
    if word.outcome is not AckOutcome.ACCEPTED:
        if word.due_at is not None:
            raise InvalidValue("`due_at` goes with `accepted` alone.", pointer="/due_at")
        return
    if word.due_at is None:
        raise InvalidValue("`accepted` must say by when: `due_at`.", pointer="/due_at")
    if not word.at < word.due_at <= now + ACCEPTED_MAX:
        raise InvalidValue(
            f"`due_at` lies behind `at`, and at most {ACCEPTED_MAX.days} days ahead.", pointer="/due_at"
        )
