"""Lists, page by page: `next` is None at the end."""

from __future__ import annotations

import msgspec

from consent_client.http.answers import (
    Consent,
    Identifier,
    Pending,
    PermissionAnswer,
    PurposeItem,
    RecipientStanding,
    Record,
)


class RecordPage(msgspec.Struct, frozen=True):
    items: tuple[Record, ...]
    next: str | None


class IdentifierPage(msgspec.Struct, frozen=True):
    items: tuple[Identifier, ...]
    next: str | None


class PurposePage(msgspec.Struct, frozen=True):
    items: tuple[PurposeItem, ...]
    next: str | None


class PendingPage(msgspec.Struct, frozen=True):
    items: tuple[Pending, ...]
    next: str | None


class RecipientPage(msgspec.Struct, frozen=True):
    items: tuple[RecipientStanding, ...]
    next: str | None = None


class Consents(msgspec.Struct, frozen=True):
    consents: tuple[Consent, ...]


class PermissionAnswers(msgspec.Struct, frozen=True):
    answers: tuple[PermissionAnswer, ...]
