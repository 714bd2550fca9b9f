"""Subjects, states, claims and records: the nouns of the ledger (R13 to R21, CORE 6 to 9, 18)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.values import Cause, Channel, Command, Reason, Status


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person prefers, as codes that the version offers; arrays sorted and unique (CORE 14)."""

    channels: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    frequency: str | None = None


class SubjectFlags(msgspec.Struct, frozen=True):
    """Person-wide acts that stand before every status: erased > suppressed > restricted > status (R13)."""

    erased_at: datetime | None = None
    suppressed_at: datetime | None = None
    restricted_at: datetime | None = None


class Claim(msgspec.Struct, frozen=True):
    """One command as it was said, parsed but not judged.

    `record_id` and `sequence` are the ones it gets if it becomes a record; `recorded_at` is taken under the
    subject's lock (R14). `language_asked` is BCP 47 as it came; `evidence` in the two flags is told by kind only:
    whether there is any, and whether it names an authority and a reference (CORE 4).
    """

    command: Command
    record_id: UUID
    sequence: int
    recorded_at: datetime
    channel: Channel = Channel.API
    version: int | None = None
    language_asked: str | None = None
    occurred_at: datetime | None = None
    source: str | None = None
    preferences: Preferences | None = None
    has_evidence: bool = False
    has_authority: bool = False
    cause: Cause | None = None


class State(msgspec.Struct, frozen=True):
    """What stands for one subject and purpose, as stored: expiry and material change are judged when it is read.

    `record_id`, `since`, `version` and `until` belong to the record that set the status; `latest_at` is the
    newest effective time of the pair, against which a fact is late (CORE 6, 7). `record_id` and `since` are null
    while nothing but preferences was ever said.
    """

    status: Status
    command: Command
    version: int
    record_id: UUID | None
    since: datetime | None
    until: datetime | None
    latest_at: datetime
    preferences: Preferences | None = None
    preferences_record_id: UUID | None = None


class Fact(msgspec.Struct, frozen=True):
    """What of a record the fold needs: a claim that was accepted, with its place in history (R15).

    `governing_version` was current when the record was decided; its bases choose the lifecycle.
    """

    record_id: UUID
    sequence: int
    command: Command
    version: int
    governing_version: int
    effective_at: datetime
    preferences: Preferences | None = None
    cause: Cause | None = None


class Permission(msgspec.Struct, frozen=True):
    """The answer to: may this purpose be pursued for this subject now (CORE 11)."""

    allowed: bool
    reason: Reason
    status: Status
    version: int | None
    until: datetime | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What a command leads to: a new record, or the standing one where nothing new was said (CORE 9).

    `standing` names the record to answer with when `appended` is false. `state` is what stands afterwards.
    """

    appended: bool
    state: State
    permission: Permission
    status: Status
    version: int
    governing_version: int
    effective_at: datetime
    until: datetime | None
    language: str | None = None
    superseded: bool = False
    standing: UUID | None = None


class Record(msgspec.Struct, frozen=True):
    """The immutable skeleton of a record, field for field in the order of its encoding (CORE 18).

    Commitments and hashes are 32 raw bytes; `purpose`, `version` and `status` are null in person-wide records.
    `version` and `preferences` are what was said; `standing_version` and `standing_preferences` are what stands
    after it. The last two are outside the encoding: they follow from the records before (the fold).
    """

    record_id: UUID
    controller: str
    subject_id: UUID
    sequence: int
    purpose: str | None
    command: Command
    status: Status | None
    version: int | None
    governing_version: int | None
    recorded_at: datetime
    occurred_at: datetime | None
    effective_at: datetime
    until: datetime | None
    allowed: bool | None
    reason: Reason | None
    cause: Cause | None
    superseded: bool
    preferences: Preferences | None
    language: str | None
    notice_hash: bytes | None
    channel: Channel
    source: str | None
    choice_id: str | None
    screen_hash: bytes | None
    actor_commitment: bytes | None
    evidence_commitment: bytes | None
    previous_hash: bytes
    record_hash: bytes
    standing_version: int | None = None
    standing_preferences: Preferences | None = None
