"""What the service answers. Words of a later release read as None, and a permission with one is no."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec

from consent_client.model import Preferences, State
from consent_client.words import Basis, Cause, Command, Outcome, Reason, Status

Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
Epoch: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 32) - 1)]


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """May a purpose be pursued for a person. From `until` on it may not, whatever is told until then."""

    allowed: bool
    reason: Reason | None
    status: Status | None
    version: Count | None = None
    until: Moment | None = None


class PermissionAnswer(Permission, frozen=True, kw_only=True):
    """The answer to one of several queries; `subject_id` is None where nobody has the identifier."""

    subject_id: UUID | None
    purpose: str


class SubjectAnswer(msgspec.Struct, frozen=True):
    """A person, found or just made."""

    subject_id: UUID
    created: bool


class Found(msgspec.Struct, frozen=True):
    """A person that is known."""

    subject_id: UUID


class Identifier(msgspec.Struct, frozen=True):
    """What a person is known by, in clear."""

    identifier_id: UUID
    type: str
    value: str
    linked_at: Moment


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for one purpose. `since` is when the record that set the status took effect."""

    purpose: str
    status: Status | None
    version: Count | None
    since: Moment | None
    record_id: UUID | None
    permission: Permission
    preferences: Preferences | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the ledger. `evidence` comes from `record()` alone; hashes are lower-case hex."""

    record_id: UUID
    subject_id: UUID
    sequence: Count
    purpose: str | None
    command: Command | None
    status: Status | None
    version: Count | None
    recorded_at: Moment
    occurred_at: Moment | None
    effective_at: Moment
    until: Moment | None = None
    permission: Permission | None = None
    language: str | None = None
    notice_hash: str | None = None
    channel: str | None = None
    source: str | None = None
    preferences: Preferences | None = None
    superseded: bool = False
    cause: Cause | None = None
    choice_id: str | None = None
    actor: str | None = None
    record_hash: str | None = None
    previous_hash: str | None = None
    evidence: dict[str, Any] | None = None


class Recorded(msgspec.Struct, frozen=True):
    """The new record, or the standing one where nothing new was said, and what stands now."""

    record: Record
    permission: Permission


class Decided(msgspec.Struct, frozen=True):
    """Records in the order asked; `created` tells that a person was made."""

    subject_id: UUID
    created: bool
    records: tuple[Recorded, ...]


class Notice(msgspec.Struct, frozen=True):
    """What a person is shown, in one language; `labels` name the codes of preferences."""

    name: str
    description: str
    labels: dict[str, str] = {}


class NamedRecipient(msgspec.Struct, frozen=True):
    """Who gets the data; `deadline` is the ISO 8601 time to act on a change, None for the usual hour."""

    slug: str
    name: str
    role: str | None = None
    country: str | None = None
    deadline: str | None = None


class Offer(msgspec.Struct, frozen=True):
    """The codes that a person may prefer."""

    channels: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    frequencies: tuple[str, ...] = ()


class Duty(msgspec.Struct, frozen=True):
    """Who has to act on changes, and within which ISO 8601 time; None for the usual hour."""

    slug: str
    deadline: str | None = None


class PurposeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What permissions are judged by while one version is in effect, as `.purposes.v1` tells it."""

    version: Count
    effective_from: Moment
    legal_bases: tuple[Basis, ...]
    default_allowed: bool
    default_reason: Reason | None
    oldest_valid_version: Count
    retired: bool
    renew_after: str | None
    recipients: tuple[Duty, ...]


class PurposeItem(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a purpose, notices by language. `status` is active or retired.

    `terms` are those of the version in effect when the latest was published, then of those to come.
    """

    purpose: str
    version: Count
    latest_version: Count
    status: str
    legal_bases: tuple[Basis, ...]
    effective_from: Moment
    published_at: Moment
    change: str | None = None
    confirmation: str = "none"
    confirm_within: str | None = None
    renew_after: str | None = None
    notices: dict[str, Notice] = {}
    recipients: tuple[NamedRecipient, ...] = ()
    preferences: Offer = Offer()
    data_categories: tuple[str, ...] = ()
    direct_marketing: bool = False
    shares_or_sells: bool = False
    content_hash: str | None = None
    notice_hashes: dict[str, str] = {}
    terms: tuple[PurposeTerms, ...] = ()


class StatePage(msgspec.Struct, frozen=True):
    """A piece of the snapshot; `changes(resume)` goes on from it, with the same `resume` on every page."""

    items: tuple[State, ...]
    resume: str


class RecipientProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one recipient is with a record: settled, or due."""

    recipient: str
    owed_since: Moment | None = None
    due_at: Moment | None = None
    settled_at: Moment | None = None
    outcome: Outcome | None = None
    late_s: float = 0.0


class Propagation(msgspec.Struct, frozen=True, kw_only=True):
    """Who has acted on a record, and who still has to."""

    record_id: UUID
    purpose: str | None = None
    sequence: Count
    allowed: bool | None
    recipients: tuple[RecipientProgress, ...]


class RecipientStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How many records wait for one recipient, how many of them are over their time, and by how much at most."""

    recipient: str
    pending: Count
    late: Count
    late_s: float = 0.0
    oldest_owed_since: Moment | None = None


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a recipient has yet to act on."""

    record_id: UUID
    subject_id: UUID | None = None
    purpose: str | None = None
    sequence: Count | None = None
    allowed: bool | None = None
    owed_since: Moment | None = None
    due_at: Moment | None = None
    late_s: float = 0.0
