"""Lists, page by page: `next` is None at the end."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from consent_client.errors import NotUnderstood
from consent_client.http.answers import (
    Consent,
    Count,
    Identifier,
    Pending,
    PermissionAnswer,
    PurposeItem,
    RecipientStanding,
    Record,
)

Item_co = TypeVar("Item_co", covariant=True)


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


class Linked(msgspec.Struct, frozen=True):
    """What a person is linked to now; nobody here asks."""

    items: tuple[LinkedIdentifier, ...]


class LinkedIdentifier(msgspec.Struct, frozen=True):
    identifier_id: UUID
    type: str


class Settled(msgspec.Struct, frozen=True):
    """How many duties the words have ended."""

    settled: Count


class Consents(msgspec.Struct, frozen=True):
    consents: tuple[Consent, ...]


class PermissionAnswers(msgspec.Struct, frozen=True):
    answers: tuple[PermissionAnswer, ...]


class Page(Protocol[Item_co]):
    @property
    def items(self) -> tuple[Item_co, ...]: ...
    @property
    def next(self) -> str | None: ...


def goes_on(page: Page[Any], query: dict[str, str]) -> bool:
    """Whether there is another page, for which the query then asks. Raises NotUnderstood where it is no other."""
    if page.next is None:
        return False
    if not page.items or page.next == query.get("after"):
        raise NotUnderstood("the list goes on without end")
    query["after"] = page.next
    return True
