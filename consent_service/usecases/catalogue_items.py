"""The shape in which a purpose is shown: one version with its place among the others (API, CORE 5, 15)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from consent_service.domain.catalogue import PurposeInput, notice_hash
from consent_service.domain.changes import VersionTerms, terms_of
from consent_service.domain.purposes import Change, Purpose, PurposeContent, PurposeVersion


class ItemStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"
    DRAFT = "draft"


class PurposeItem(PurposeContent, frozen=True, kw_only=True, omit_defaults=False):
    """A version's content and what is known of it; what is fixed at publication is null in a draft.

    `version` is the ETag. `latest_version`, which `If-Match` is compared with, is higher where a later one is
    published but not yet in effect. `terms` is what a consumer judges permissions by, as on Kafka: of the version in
    effect when the latest was published, then of those to come; empty in a draft. Hashes are SHA-256 in lower-case hex.
    """

    purpose: str
    version: int | None
    latest_version: int | None
    status: ItemStatus
    change: Change | None
    effective_from: datetime | None
    published_at: datetime | None
    content_hash: str | None
    notice_hashes: dict[str, str]
    terms: tuple[VersionTerms, ...]


class PurposePage(msgspec.Struct, frozen=True):
    """A page of a list; `next` is null at its end."""

    items: tuple[PurposeItem, ...]
    next: str | None


def version_item(purpose: Purpose, version: PurposeVersion) -> PurposeItem:
    """One version of a purpose that holds all of them."""
    return PurposeItem(
        **_content(version.content),
        purpose=purpose.slug,
        version=version.number,
        latest_version=len(purpose.versions),
        status=ItemStatus.RETIRED if version.content.retired else ItemStatus.ACTIVE,
        change=version.change,
        effective_from=version.effective_from,
        published_at=version.published_at,
        content_hash=version.content_hash,
        notice_hashes=version.notice_hashes,
        terms=terms_of(purpose),
    )


def draft_item(purpose: str, draft: PurposeInput) -> PurposeItem:
    """A draft as it would be shown when published; nothing of it is fixed yet."""
    return PurposeItem(
        **_content(draft),
        purpose=purpose,
        version=None,
        latest_version=None,
        status=ItemStatus.DRAFT,
        change=draft.change,
        effective_from=draft.effective_from,
        published_at=None,
        content_hash=None,
        notice_hashes={language: notice_hash(notice) for language, notice in draft.notices.items()},
        terms=(),
    )


def _content(content: PurposeContent) -> dict[str, Any]:
    return {name: getattr(content, name) for name in PurposeContent.__struct_fields__}
