"""The words of the consent service. What a later release adds is read as None, and a permission with it is no."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What the records of one subject and purpose add up to."""

    UNKNOWN = "unknown"
    REQUESTED = "requested"
    DEFERRED = "deferred"
    GIVEN = "given"
    RENEWED = "renewed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    OBJECTED = "objected"


class Command(StrEnum):
    """What somebody asked for, or the service did; from `restrict` on about the person as a whole."""

    REQUEST = "request"
    CONFIRM = "confirm"
    GRANT = "grant"
    REFUSE = "refuse"
    DEFER = "defer"
    WITHDRAW = "withdraw"
    OBJECT = "object"
    LIFT_OBJECTION = "lift-objection"
    PREFER = "prefer"
    REVOKE = "revoke"
    INVALIDATE = "invalidate"
    EXPIRE = "expire"
    RESTRICT = "restrict"
    LIFT_RESTRICTION = "lift-restriction"
    SUPPRESS = "suppress"
    LIFT_SUPPRESSION = "lift-suppression"
    ERASE = "erase"
    MERGE = "merge"


class Basis(StrEnum):
    """A legal basis of GDPR article 6(1)."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


class Reason(StrEnum):
    """Why a permission is as it is."""

    GIVEN = "given"
    RENEWED = "renewed"
    LEGITIMATE_INTEREST = "legitimate_interest"
    NOT_CONSENT_BASED = "not_consent_based"
    NO_RECORD = "no_record"
    REQUESTED = "requested"
    DEFERRED = "deferred"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    OBJECTED = "objected"
    RESTRICTED = "restricted"
    SUPPRESSED = "suppressed"
    ERASED = "erased"
    SIGNAL = "signal"
    NO_LEGAL_BASIS = "no_legal_basis"


class Cause(StrEnum):
    """Why a consent became invalid."""

    PURPOSE_CHANGED = "purpose_changed"
    AUTHORITY = "authority"


class Outcome(StrEnum):
    """What a recipient did about a record; `failed` and `accepted` settle nothing."""

    STOPPED = "stopped"
    STARTED = "started"
    FAILED = "failed"
    NOT_HELD = "not_held"
    ACCEPTED = "accepted"
    ERASED = "erased"
