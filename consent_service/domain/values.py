"""The closed vocabularies of the service (PRODUCT, API, CORE) and the text forms of its scalar values."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """What the records of one subject and purpose add up to; names of the W3C Data Privacy Vocabulary."""

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
    """What somebody asks for. Person-wide commands carry no purpose (R13)."""

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


#: What a caller may say about one purpose; `expire` is the service's own, the rest are person-wide (R12, R13).
CALLER_COMMANDS: tuple[Command, ...] = tuple(Command)[: list(Command).index(Command.EXPIRE)]


class Channel(StrEnum):
    """How a command reached us; `system` marks the service's own records and is refused on input (CORE 4)."""

    WEB = "web"
    EMAIL = "email"
    PHONE = "phone"
    PAPER = "paper"
    API = "api"
    IMPORT = "import"
    SYSTEM = "system"


#: Channels whose `occurred_at` orders facts; elsewhere it is evidence only (R14, CORE 6).
DATED_CHANNELS = frozenset({Channel.IMPORT, Channel.PAPER, Channel.PHONE, Channel.EMAIL, Channel.SYSTEM})


class Basis(StrEnum):
    """A legal basis of GDPR article 6(1)."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


class Reason(StrEnum):
    """Why a permission is as it is (API, `permission.reason`)."""

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
    """Why a consent became invalid (R4)."""

    PURPOSE_CHANGED = "purpose_changed"
    AUTHORITY = "authority"


class IdentifierType(StrEnum):
    """The fixed kinds of identifier; `external:<system>` stands beside them (API, CORE 13)."""

    EMAIL = "email"
    PHONE = "phone"
    VISITOR = "visitor"


#: The latest time that is kept. The driver takes the last microsecond of the year 9999 for PostgreSQL's infinity,
#: and gives it back without its zone.
LATEST = datetime(9999, 12, 31, tzinfo=UTC)

SLUG = r"[a-z0-9][a-z0-9-]{0,63}"
CODE = r"[a-z0-9-]{1,40}"
_SLUG = re.compile(SLUG)
_CODE = re.compile(CODE)
_encode = msgspec.json.Encoder().encode


def is_slug(text: str) -> bool:
    """Whether the text names a controller, purpose, recipient, site or source."""
    return _SLUG.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether the text is a preference code (CORE 14)."""
    return _CODE.fullmatch(text) is not None


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC with six digits and `Z`: the one text form of a time, also in the ledger's encoding."""
    # msgspec writes this form, ten times as fast as isoformat, but for the digits of a whole second.
    text = _encode(time.astimezone(UTC))[1:-1].decode()
    return text if time.microsecond else text[:-1] + ".000000Z"
