"""What the service tells, the same whether it came from Kafka or over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from consent_client.words import Basis, Cause, Command, Outcome, Reason, Status


class Preferences(msgspec.Struct, frozen=True):
    """Codes from the lists that the purpose's version offers; empty and None where nothing was said."""

    channels: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    frequency: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the ledger, told as its result.

    `status`, `allowed`, `reason`, `until`, `standing_version` and `preferences` are what stands after it; `command`
    and `version` what was claimed. About the person as a whole, `purpose` is None, and so are these. Per subject,
    what is not above the last (`ledger_epoch`, `sequence`) known is a repetition.
    """

    record_id: UUID
    controller: str
    subject_id: UUID
    sequence: int
    purpose: str | None
    command: Command | None
    status: Status | None
    allowed: bool
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
    traceparent: str | None = None


class SignOfLife(msgspec.Struct, frozen=True):
    """The stream goes on, and has nothing more to tell. All that was recorded up to `as_of` has been told; None where
    that is not known, as while what was missed is still being told."""

    as_of: datetime | None = None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for one subject and purpose; without a purpose, for the person as a whole, which goes first.

    `sequence` is 0, without a record, where a restored ledger knows none. Once `standing_version` is below the
    purpose's `oldest_valid_version`, or `until` has passed, a consent is no more, event or none.
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


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What holds while one version of a purpose is in effect.

    `recipients` names who has to act on changes, with the ISO 8601 duration within which; None for the usual hour.
    """

    version: int
    effective_from: datetime
    legal_bases: tuple[Basis, ...]
    default_allowed: bool
    default_reason: Reason | None
    oldest_valid_version: int
    retired: bool
    renew_after: str | None
    recipients: tuple[tuple[str, str | None], ...]


class Purpose(msgspec.Struct, frozen=True, kw_only=True):
    """A purpose with the version in effect when `version` was published, then those to come, by `effective_from`."""

    controller: str
    purpose: str
    version: int
    published_at: datetime
    versions: tuple[Terms, ...]
    ledger_epoch: int


class PurposeGone(msgspec.Struct, frozen=True):
    """The ledger knows no such purpose any more."""

    controller: str
    purpose: str


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """On one partition: what belongs to this group of shards is published up to `oldest_unpublished` before `at`."""

    shard_group: int
    shard_groups: int
    at: datetime
    oldest_unpublished: timedelta
    ledger_epoch: int


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient's word that it acted on a record. `due_at` only with `accepted`: by then somebody will have."""

    acknowledgement_id: UUID
    controller: str
    recipient: str
    record_id: UUID
    subject_id: UUID
    outcome: Outcome
    at: datetime
    due_at: datetime | None = None


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a recipient could not act on: where it stands, what it was, and why in a slug."""

    dead_letter_id: UUID
    recipient: str
    topic: str
    partition: int
    offset: int
    reason: str
    at: datetime
    type: str
    value: bytes
