"""What callers hand to the ledger, and what they get back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.choices import Choice, Unrecorded
from consent_service.domain.identifiers import Identifier
from consent_service.domain.records import Permission, Preferences, Record
from consent_service.domain.values import Channel, Command


class Caller(msgspec.Struct, frozen=True):
    """Who speaks: the controller its token is bound to, and the token's subject, which becomes the record's actor.

    `purposes`, unless null, limits it to the identifiers of persons of these (R35), and to their changes and states.
    `recipient`, unless null, is the one recipient whose words it brings and whose duties it sees (R34). `reason` is
    why, in the caller's words, for the audit trail alone.
    """

    controller: str
    subject: str
    purposes: frozenset[str] | None = None
    recipient: str | None = None
    reason: str | None = None


class SubjectReference(msgspec.Struct, frozen=True):
    """A person by id or by identifiers, never both; identifiers are in normal form (CORE 13).

    `pointer` leads to the id in the body; null where it stands in the path (R20).
    """

    subject_id: UUID | None = None
    identifiers: tuple[Identifier, ...] = ()
    pointer: str | None = None


class CommandInput(msgspec.Struct, frozen=True):
    """One command on one purpose as the caller said it (CORE 8). `evidence` is the JSON object's raw bytes.

    `pointer` leads from the body's root to this command (`/decisions/1`), empty where the body is the command.
    With a `choice` it came from a browser: under the lock it becomes what the purpose's bases make of it, and where the
    purpose has changed since it was shown it is left out, not refused. `version` is null where it was not shown.
    On channel `system`, which no caller may name, `occurred_at` is when it seemed to have ended: under the lock the
    ledger decides anew what has ended, and when.
    """

    purpose: str
    command: Command
    version: int | None = None
    language: str | None = None
    channel: Channel = Channel.API
    source: str | None = None
    occurred_at: datetime | None = None
    preferences: Preferences | None = None
    evidence: bytes | None = None
    has_authority: bool = False
    choice_id: str | None = None
    screen_hash: bytes | None = None
    choice: Choice | None = None
    pointer: str = ""


class Idempotency(msgspec.Struct, frozen=True):
    """`key` = SHA-256(controller 00 sub 00 key), `fingerprint` = SHA-256(method, path, body) (CORE 17)."""

    key: bytes
    fingerprint: bytes


class ChoiceClaim(msgspec.Struct, frozen=True):
    """A visitor's choice by its id, which is taken once for ever; `fingerprint` = SHA-256 of what it says (R36).

    Of some banners the ids sort as the choices were made: those of the same person above this one up to `latest_id`
    were made later. Where one of them was taken before, what this one gives is left out; a no always counts.
    """

    choice_id: str
    fingerprint: bytes
    latest_id: str | None = None


class Submission(msgspec.Struct, frozen=True):
    """Commands on one subject that are recorded all together or not at all, but for choices that are left out.

    Without commands it only finds or makes the subject. Identifiers that nobody has make one (R19). `link` adds
    identifiers to the subject, a visitor among them too; its pointers lead below `/identifiers`.
    """

    caller: Caller
    reference: SubjectReference
    commands: tuple[CommandInput, ...] = ()
    link: tuple[Identifier, ...] = ()
    idempotency: Idempotency | None = None
    chosen: ChoiceClaim | None = None
    traceparent: str | None = None


class Result(msgspec.Struct, frozen=True):
    """One command's outcome. `record` is null where the standing record answers (200) or on a replay: read it by id."""

    record_id: UUID
    appended: bool
    permission: Permission
    record: Record | None = None


class Linked(msgspec.Struct, frozen=True):
    """An identifier that is the subject's, without its value."""

    identifier_id: UUID
    type: str


class Answer(msgspec.Struct, frozen=True):
    """What a submission led to; `replayed` where an earlier one with the same idempotency key, or the same choice, is
    answered again. A choice has no results then, but `unrecorded` says what would be left out of it now.

    `appended` says whether anything new was recorded or made: 201, else 200.
    """

    subject_id: UUID
    created: bool
    appended: bool
    results: tuple[Result, ...] = ()
    linked: tuple[Linked, ...] = ()
    unrecorded: tuple[Unrecorded, ...] = ()
    replayed: bool = False
