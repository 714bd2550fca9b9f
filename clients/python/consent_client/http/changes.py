"""A change and a state as JSON tells them, and as this package does."""

from __future__ import annotations

from uuid import UUID

import msgspec

from consent_client.http.answers import Consent, Count, Epoch, Moment, Permission
from consent_client.model import Change, Preferences, State
from consent_client.words import Basis, Cause, Command, Reason, Status


class ToldPermission(msgspec.Struct, frozen=True):
    """As Permission, its members in the order in which the service writes them."""

    allowed: bool
    reason: Reason | None
    status: Status | None
    version: Count | None
    until: Moment | None


class ChangeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of one event of `/v1/changes`."""

    record_id: UUID
    controller: str
    subject_id: UUID
    sequence: Count
    purpose: str | None
    command: Command | None
    status: Status | None
    version: Count | None
    permission: ToldPermission | None
    governing_version: Count | None
    legal_bases: tuple[Basis, ...]
    preferences: Preferences | None
    source: str | None
    recorded_at: Moment
    occurred_at: Moment | None
    effective_at: Moment
    cause: Cause | None
    superseded: bool
    replayed: bool
    ledger_epoch: Epoch
    traceparent: str | None = None


class StateBody(Consent, frozen=True, kw_only=True):
    """One item of `/v1/states`."""

    subject_id: UUID
    sequence: Count
    ledger_epoch: Epoch


class StatesAnswer(msgspec.Struct, frozen=True):
    items: tuple[StateBody, ...]
    next: str | None
    resume: str


_MEMBERS = [
    name for name in Change.__struct_fields__ if name in ChangeBody.__struct_fields__ and name != "status"
]
_NOTHING = ToldPermission(allowed=False, reason=None, status=None, version=None, until=None)


def to_change(body: ChangeBody) -> Change:
    """With a word that is not known, it is not allowed."""
    told = body.permission or _NOTHING
    understood = None not in (told.reason, told.status, body.status)
    return Change(
        **{name: getattr(body, name) for name in _MEMBERS},
        status=body.status,
        allowed=told.allowed and understood,
        reason=told.reason,
        until=told.until,
        standing_version=told.version,
    )


def to_body(change: Change) -> ChangeBody:
    """The same members, however the change came."""
    permission = None
    if change.purpose is not None:
        permission = ToldPermission(
            change.allowed, change.reason, change.status, change.standing_version, change.until
        )
    members = {name: getattr(change, name) for name in _MEMBERS}
    return ChangeBody(**members, status=change.status, permission=permission)


def to_state(body: StateBody, controller: str) -> State:
    """What JSON does not tell is None: the bases, and when the newest record was made."""
    told: Permission = body.permission
    return State(
        controller=controller,
        subject_id=body.subject_id,
        purpose=body.purpose,
        sequence=body.sequence,
        record_id=body.record_id,
        status=body.status,
        allowed=told.allowed and body.status is not None,
        reason=told.reason,
        until=told.until,
        standing_version=body.version,
        legal_bases=(),
        preferences=body.preferences,
        recorded_at=None,
        effective_at=None,
        ledger_epoch=body.ledger_epoch,
    )
