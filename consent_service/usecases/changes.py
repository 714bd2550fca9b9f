"""A change as the interface tells it: its words, and numbers as numbers (R27, CORE 20)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.changes import ConsentChange
from consent_service.domain.records import Preferences
from consent_service.domain.values import Basis, Cause, Command, Reason, Status


class ChangePermission(msgspec.Struct, frozen=True):
    """The answer right after the record. A word that this release does not know is null, and then not allowed."""

    allowed: bool
    reason: Reason | None
    status: Status | None
    version: int | None
    until: datetime | None


class ChangeBody(msgspec.Struct, frozen=True, kw_only=True):
    """One record as those who follow the stream are told of it.

    `status`, `permission` and `preferences` are what stands after it; `command` and `version` what was claimed. In a
    record about the person as a whole purpose, status and permission are null. Of the events of one subject, those
    whose `sequence` is not above the last one known are repetitions.
    """

    record_id: UUID
    controller: str
    subject_id: UUID
    sequence: int
    purpose: str | None
    command: Command | None
    status: Status | None
    version: int | None
    permission: ChangePermission | None
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
    traceparent: str | None


def change_body(change: ConsentChange, traceparent: str | None = None) -> ChangeBody:
    permission = None
    if change.allowed is not None:
        permission = ChangePermission(
            change.allowed, change.reason, change.status, change.standing_version, change.until
        )
    return ChangeBody(
        record_id=change.record_id,
        controller=change.controller,
        subject_id=change.subject_id,
        sequence=change.sequence,
        purpose=change.purpose,
        command=change.command,
        status=change.status,
        version=change.version,
        permission=permission,
        governing_version=change.governing_version,
        legal_bases=change.legal_bases,
        preferences=change.preferences,
        source=change.source,
        recorded_at=change.recorded_at,
        occurred_at=change.occurred_at,
        effective_at=change.effective_at,
        cause=change.cause,
        superseded=change.superseded,
        replayed=change.replayed,
        ledger_epoch=change.ledger_epoch,
        traceparent=traceparent,
    )
