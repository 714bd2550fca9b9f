"""What goes on the stream: a record as a change, a published version as its terms (R26 to R28)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid5

import msgspec

from consent_service.domain.consent import permission
from consent_service.domain.purposes import Change, Confirmation, Purpose, PurposeVersion
from consent_service.domain.records import Preferences, SubjectFlags
from consent_service.domain.values import Basis, Cause, Command, Reason, Status, format_time

_RENEWALS = UUID("6f2e1b0c-8a54-5d39-9c1e-27d40b6f7a85")
_LATENESS = UUID("b3a7c8d1-52f0-5e64-8f0b-91c27de4a063")


class ConsentChange(msgspec.Struct, frozen=True, kw_only=True):
    """One record as consumers are told of it (R27): the same read from the ledger or from Kafka.

    It tells the result (R15): `status`, permission and `preferences` are what stands after the record,
    `version` is the one the record is about. In person-wide records purpose, status, permission and versions
    are null. `until` is set only where `allowed` rests on consent (CORE 7). Read from Kafka, a word that this
    release does not know is null, and `allowed` is then false.
    """

    record_id: UUID
    controller: str
    subject_id: UUID
    sequence: int
    purpose: str | None
    command: Command | None
    status: Status | None
    allowed: bool | None
    reason: Reason | None
    until: datetime | None
    version: int | None
    standing_version: int | None
    governing_version: int | None
    legal_bases: tuple[Basis, ...]
    preferences: Preferences | None
    source: str | None
    recorded_at: datetime
    occurred_at: datetime | None
    effective_at: datetime
    cause: Cause | None
    superseded: bool
    replayed: bool
    ledger_epoch: int


class ConsentState(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for one subject and purpose, as the compacted topic tells it (R27, R29).

    `sequence` is that of the record that led here; 0, with no record, where a restored ledger knows none. Without a
    purpose it is about the person as a whole. Read from Kafka, words of a later release are as in a change.
    """

    controller: str
    subject_id: UUID
    purpose: str | None
    sequence: int
    record_id: UUID | None
    status: Status | None
    allowed: bool
    reason: Reason | None
    until: datetime | None
    standing_version: int | None
    legal_bases: tuple[Basis, ...]
    preferences: Preferences | None
    recorded_at: datetime | None
    effective_at: datetime | None
    ledger_epoch: int
    merged_into: UUID | None = None


def state_after(change: ConsentChange) -> ConsentState | None:
    """What stands after a change; None for a person-wide one, which no command makes yet."""
    if change.purpose is None:
        return None
    return ConsentState(
        controller=change.controller,
        subject_id=change.subject_id,
        purpose=change.purpose,
        sequence=change.sequence,
        record_id=change.record_id,
        status=change.status,
        allowed=bool(change.allowed),
        reason=change.reason,
        until=change.until,
        standing_version=change.standing_version,
        legal_bases=change.legal_bases,
        preferences=change.preferences,
        recorded_at=change.recorded_at,
        effective_at=change.effective_at,
        ledger_epoch=change.ledger_epoch,
    )


class RenewalDue(msgspec.Struct, frozen=True, kw_only=True):
    """Notice that a consent will soon end by itself. `version` is the one consented to, `until` when it ends."""

    notice_id: UUID
    controller: str
    subject_id: UUID
    purpose: str
    version: int
    until: datetime
    noticed_at: datetime


def renewal_notice_id(controller: str, subject_id: UUID, purpose: str, until: datetime) -> UUID:
    """The same for the same end of the same consent, so that the notice is given once (RFC 9562, version 5)."""
    return uuid5(_RENEWALS, f"{controller}/{subject_id}/{purpose}/{format_time(until)}")


class IdentifierChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Notice that an identifier was linked to a subject, or removed (R19). Its value is not told."""

    notice_id: UUID
    controller: str
    subject_id: UUID
    identifier_id: UUID
    type: str
    linked: bool
    noticed_at: datetime


class RecipientLate(msgspec.Struct, frozen=True, kw_only=True):
    """Notice that a recipient has not acted in time on a record that it owes an acknowledgement of (R34)."""

    notice_id: UUID
    controller: str
    subject_id: UUID
    purpose: str
    record_id: UUID
    recipient: str
    owed_since: datetime
    due_at: datetime
    noticed_at: datetime


def late_notice_id(record_id: UUID, recipient: str, due_at: datetime) -> UUID:
    """The same for the same deadline missed, so that the notice is given once (RFC 9562, version 5)."""
    return uuid5(_LATENESS, f"{record_id}/{recipient}/{format_time(due_at)}")


Notice = RenewalDue | IdentifierChanged | RecipientLate


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """On one partition: one group of shards is published up to `oldest_unpublished` before `at` (R30)."""

    shard_group: int
    at: datetime
    oldest_unpublished: timedelta
    ledger_epoch: int


def consent_until(allowed: bool | None, reason: Reason | None, until: datetime | None) -> datetime | None:
    """A standing `until` as a permission tells it: only where what is allowed rests on consent (CORE 7)."""
    return until if allowed and reason in (Reason.GIVEN, Reason.RENEWED) else None


class RecipientDuty(msgspec.Struct, frozen=True):
    """Who has to act on changes; `deadline` is an ISO 8601 duration, null for the usual one."""

    slug: str
    deadline: str | None = None


class VersionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer must know of one version while it is in effect (R28)."""

    version: int
    effective_from: datetime
    change: Change
    legal_bases: tuple[Basis, ...]
    default_allowed: bool
    default_reason: Reason
    oldest_valid_version: int
    retired: bool
    renew_after: str | None
    confirmation: Confirmation
    recipients: tuple[RecipientDuty, ...]


class PurposePublished(msgspec.Struct, frozen=True, kw_only=True):
    """A purpose as it stood when `version` was published: the version in effect, then those still to come."""

    controller: str
    purpose: str
    version: int
    published_at: datetime
    versions: tuple[VersionTerms, ...]
    replayed: bool
    ledger_epoch: int


def published(purpose: Purpose, *, ledger_epoch: int, replayed: bool = False) -> PurposePublished:
    """Tell of the purpose's last version; the purpose holds the versions up to it and none after."""
    newest = purpose.versions[-1]
    return PurposePublished(
        controller=purpose.controller,
        purpose=purpose.slug,
        version=newest.number,
        published_at=newest.published_at,
        versions=terms_of(purpose),
        replayed=replayed,
        ledger_epoch=ledger_epoch,
    )


def terms_of(purpose: Purpose) -> tuple[VersionTerms, ...]:
    """Of the version in effect when the last was published, then of those to come."""
    current = purpose.current(purpose.versions[-1].published_at)
    return tuple(_terms(purpose, version) for version in purpose.versions[current.number - 1 :])


def _terms(purpose: Purpose, version: PurposeVersion) -> VersionTerms:
    """Later versions may take effect at the same moment; they are not looked at."""
    upto = msgspec.structs.replace(purpose, versions=purpose.versions[: version.number])
    default = permission(SubjectFlags(), None, upto, version.effective_from)
    content = version.content
    return VersionTerms(
        version=version.number,
        effective_from=version.effective_from,
        change=version.change,
        legal_bases=content.legal_bases,
        default_allowed=default.allowed,
        default_reason=default.reason,
        oldest_valid_version=upto.oldest_valid(version.effective_from),
        retired=content.retired,
        renew_after=content.renew_after,
        confirmation=content.confirmation,
        recipients=tuple(
            RecipientDuty(recipient.slug, recipient.deadline) for recipient in content.recipients
        ),
    )
