"""What goes on the stream: a record as a change, a published version as its terms (R26 to R28)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.consent import permission
from consent_service.domain.purposes import Change, Confirmation, Purpose, PurposeVersion
from consent_service.domain.records import Preferences, SubjectFlags
from consent_service.domain.values import Basis, Cause, Command, Reason, Status


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
    current = purpose.current(newest.published_at)
    return PurposePublished(
        controller=purpose.controller,
        purpose=purpose.slug,
        version=newest.number,
        published_at=newest.published_at,
        versions=tuple(_terms(purpose, version) for version in purpose.versions[current.number - 1 :]),
        replayed=replayed,
        ledger_epoch=ledger_epoch,
    )


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
