"""What callers say: commands and queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypedDict
from uuid import UUID

import msgspec

from consent_client.model import Acknowledgement, Preferences
from consent_client.words import Command

Identifiers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""Type and value of each: `{"email": "kari@example.org"}`, or pairs where a type comes twice.

Types are `email`, `phone`, `external:<system>` and `visitor`.
"""


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command on one purpose. `grant` and `request` need the `version` whose text was shown.

    `occurred_at` needs its zone. `evidence` is an object of at most 8 KiB; free text belongs there alone.
    """

    purpose: str
    command: Command | str
    version: int | None = None
    language: str | None = None
    channel: str | None = None
    source: str | None = None
    occurred_at: datetime | None = None
    preferences: Preferences | None = None
    evidence: Mapping[str, Any] | None = None


class Claims(TypedDict, total=False):
    """What a command may say beside its version, as in Decision."""

    language: str | None
    channel: str | None
    source: str | None
    occurred_at: datetime | None
    preferences: Preferences | None
    evidence: Mapping[str, Any] | None


class Query(msgspec.Struct, frozen=True, omit_defaults=True):
    """A purpose, and a person by id or by one identifier as (type, value)."""

    purpose: str
    subject_id: UUID | None = None
    identifier: tuple[str, str] | None = None


def identifiers_body(identifiers: Identifiers) -> list[dict[str, str]]:
    pairs = identifiers.items() if isinstance(identifiers, Mapping) else identifiers
    return [{"type": type_, "value": value} for type_, value in pairs]


def decision_body(decision: Decision) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(decision, builtin_types=(datetime,))
    return body


def query_body(query: Query) -> dict[str, Any]:
    body: dict[str, Any] = {"purpose": query.purpose}
    if query.subject_id is not None:
        body["subject_id"] = query.subject_id
    if query.identifier is not None:
        type_, value = query.identifier
        body["identifier"] = {"type": type_, "value": value}
    return body


def acknowledgement_body(word: Acknowledgement) -> dict[str, Any]:
    body: dict[str, Any] = {
        "record_id": word.record_id,
        "outcome": word.outcome,
        "at": word.at,
        "acknowledgement_id": word.acknowledgement_id,
    }
    if word.due_at is not None:
        body["due_at"] = word.due_at
    return body
