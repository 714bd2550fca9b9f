"""JSON shapes that several routes share: bounded scalars, identifiers, records (CORE 9, 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from consent_service.domain.errors import NotFound
from consent_service.domain.identifiers import Identifier, check_together, normalise
from consent_service.domain.records import Permission, Preferences, Record
from consent_service.domain.values import CODE, SLUG, Cause, Channel, Command, Status
from consent_service.usecases.records import RecordView
from consent_service.usecases.submissions import Result

#: PostgreSQL's integer, which a version is.
VERSION_MAX = 2_147_483_647
#: As a regular expression: what c15t's client calls a browser. A shorter one could be guessed.
C15T_SUBJECT = "sub_[1-9A-HJ-NP-Za-km-z]{18,60}"


def _pattern(pattern: str, description: str, length_max: int) -> Meta:
    r"""`\Z` refuses a trailing line feed, which `$` lets pass; JSON Schema knows `$` alone, and means `\Z`."""
    return Meta(
        pattern=rf"^(?:{pattern})\Z",
        description=description,
        extra_json_schema={"pattern": f"^{pattern}$"},
        max_length=length_max,
    )


Slug = Annotated[str, _pattern(SLUG, "A name: lower-case letters, digits and hyphens.", 64)]
Code = Annotated[str, _pattern(CODE, "A code that the purpose version offers.", 40)]
Version = Annotated[int, Meta(ge=1, le=VERSION_MAX, description="A purpose version's number.")]
LanguageTag = Annotated[str, _pattern("[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,7}", "A BCP 47 language tag.", 35)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with its zone.")]


class IdentifierInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person is known by: `email`, `phone`, `visitor` or `external:<system>`, and the value."""

    type: Annotated[str, Meta(min_length=1, max_length=49, examples=["email"])]
    value: Annotated[str, Meta(min_length=1, max_length=1000, examples=["kari.nordmann@example.no"])]


Identifiers = Annotated[list[IdentifierInput], Meta(min_length=1, max_length=10)]


def read_identifier(given: IdentifierInput, pointer: str) -> Identifier:
    """The identifier in its normal form. Raises InvalidValue."""
    return Identifier(type=given.type, value=normalise(given.type, given.value, pointer=pointer))


def read_identifiers(
    given: Sequence[IdentifierInput], pointer: str = "/identifiers", *, together: bool = False
) -> tuple[Identifier, ...]:
    """Identifiers in normal form; `together` allows a visitor beside others. Raises InvalidValue."""
    normal = tuple(read_identifier(one, f"{pointer}/{place}") for place, one in enumerate(given))
    if not together:
        check_together([one.type for one in normal], pointer=pointer)
    return normal


class RecordBody(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable record. `permission` is the standing result that it led to; hashes are lower-case hex."""

    record_id: UUID
    subject_id: UUID
    purpose: str | None
    version: int | None
    sequence: int
    command: Command
    status: Status | None
    recorded_at: datetime
    occurred_at: datetime | None
    effective_at: datetime
    until: datetime | None
    language: str | None
    notice_hash: str | None
    channel: Channel
    source: str | None
    preferences: Preferences | None
    permission: Permission | None
    superseded: bool
    cause: Cause | None
    choice_id: str | None
    actor: str | None
    record_hash: str
    previous_hash: str


class RecordWithEvidence(RecordBody, frozen=True, kw_only=True):
    """A record with its evidence, null where there is none or it was removed."""

    evidence: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": ["object", "null"]})]


class Recorded(msgspec.Struct, frozen=True):
    """What a command led to: the new record, or the standing one where nothing new was said."""

    record: RecordBody
    permission: Permission


def record_body(record: Record, permission: Permission | None, actor: str | None) -> RecordBody:
    return RecordBody(
        record_id=record.record_id,
        subject_id=record.subject_id,
        purpose=record.purpose,
        version=record.version,
        sequence=record.sequence,
        command=record.command,
        status=record.status,
        recorded_at=record.recorded_at,
        occurred_at=record.occurred_at,
        effective_at=record.effective_at,
        until=record.until,
        language=record.language,
        notice_hash=_hex(record.notice_hash),
        channel=record.channel,
        source=record.source,
        preferences=record.preferences,
        permission=permission,
        superseded=record.superseded,
        cause=record.cause,
        choice_id=record.choice_id,
        actor=actor,
        record_hash=record.record_hash.hex(),
        previous_hash=record.previous_hash.hex(),
    )


def view_body(view: RecordView) -> RecordBody:
    return record_body(view.record, view.permission, view.actor)


def recorded(result: Result, actor: str, read_again: Mapping[UUID, RecordView]) -> Recorded:
    """One result with its record, which was read again by id where the ledger did not make it just now."""
    if result.record is not None:
        return Recorded(record_body(result.record, result.permission, actor), result.permission)
    view = read_again.get(result.record_id)
    if view is None:
        raise NotFound("The record of this answer is no longer there.")
    return Recorded(view_body(view), result.permission)


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
