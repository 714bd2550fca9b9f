"""Purposes and their immutable, numbered versions (R1 to R7, CORE 1, 5, 15)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from consent_service.domain.durations import Duration, parse_duration
from consent_service.domain.values import Basis

#: Within which a recipient has to act where nothing else is said.
DEADLINE = parse_duration("PT1H")


class BasesKind(StrEnum):
    """What the legal bases of a version amount to (CORE 1); `other` is split by whether interests are among them."""

    CONSENT = "consent"
    CONSENT_INTERESTS = "consent+li"
    INTERESTS = "li"
    OTHER = "other"
    OTHER_INTERESTS = "other+li"
    NONE = "none"


def kind_of(bases: tuple[Basis, ...]) -> BasesKind:
    """The most protective basis governs (R2)."""
    interests = Basis.LEGITIMATE_INTERESTS in bases
    if Basis.CONSENT in bases:
        return BasesKind.CONSENT_INTERESTS if interests else BasesKind.CONSENT
    if set(bases) - {Basis.LEGITIMATE_INTERESTS}:
        return BasesKind.OTHER_INTERESTS if interests else BasesKind.OTHER
    return BasesKind.INTERESTS if interests else BasesKind.NONE


class Change(StrEnum):
    """Whether a version touches standing consents (R4)."""

    MATERIAL = "material"
    EDITORIAL = "editorial"


class Confirmation(StrEnum):
    NONE = "none"
    DOUBLE_OPT_IN = "double_opt_in"


class StatedBasis(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A basis as the policy states it: `explicit`, `policy_wide` or `inferred`; never used for permission."""

    basis: Basis
    stated: str
    scope: str | None = None


class StatedRights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the policy says of withdrawing and objecting: true, false, "implied" or null."""

    withdrawable: bool | str | None = None
    objectable: bool | str | None = None


class NoticeText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The exact text of one purpose version in one language; `labels` name preference codes for people."""

    name: str
    description: str
    labels: dict[str, str] = {}


class Recipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A downstream system or processor; `deadline` is the ISO 8601 time it has to act (default PT1H)."""

    slug: str
    name: str
    role: str
    country: str | None = None
    use: str | None = None
    condition: str | None = None
    note: str | None = None
    deadline: str | None = None


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How long data is kept, counted from a trigger; no duration where the policy gives none."""

    trigger: str
    duration: str | None = None
    trigger_inferred: bool = False
    scope: str | None = None
    exceptions: tuple[str, ...] = ()
    note: str | None = None


class Transfer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    country: str
    basis: str | None = None
    condition: str | None = None


class AskAgainAfter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a banner may ask again, ISO 8601 (R5)."""

    refused: str | None = None
    deferred: str | None = None


class Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The preferences a version offers, as codes (CORE 14)."""

    channels: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    frequencies: tuple[str, ...] = ()


class Cookie(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: str
    provider: str
    lifetime: str


class PurposeContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a version says. Two versions with equal content are one version (CORE 5)."""

    legal_bases: tuple[Basis, ...] = ()
    legal_bases_reason: str | None = None
    stated_bases: tuple[StatedBasis, ...] = ()
    stated_rights: StatedRights = StatedRights()
    retired: bool = False
    confirmation: Confirmation = Confirmation.NONE
    confirm_within: str = "P7D"
    renew_after: str | None = None
    ask_again_after: AskAgainAfter = AskAgainAfter()
    notices: dict[str, NoticeText] = {}
    recipients: tuple[Recipient, ...] = ()
    retention: tuple[Retention, ...] = ()
    data_categories: tuple[str, ...] = ()
    data_subjects: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    preferences: Offer = Offer()
    cookies: tuple[Cookie, ...] = ()
    direct_marketing: bool = False
    shares_or_sells: bool = False
    policy_facts: dict[str, Any] = {}


class PurposeVersion(msgspec.Struct, frozen=True, dict=True):
    """One immutable version. `notice_hashes` maps each language of the notices to its SHA-256 in lower-case hex."""

    number: int
    change: Change
    effective_from: datetime
    published_at: datetime
    content: PurposeContent
    content_hash: str
    notice_hashes: dict[str, str]

    @cached_property
    def kind(self) -> BasesKind:
        return kind_of(self.content.legal_bases)

    @cached_property
    def renew_after(self) -> Duration | None:
        return parse_duration(self.content.renew_after) if self.content.renew_after else None

    @cached_property
    def confirm_within(self) -> Duration:
        return parse_duration(self.content.confirm_within)

    @cached_property
    def deadlines(self) -> dict[str, Duration]:
        """Within which time each recipient has to act on a change."""
        return {
            one.slug: parse_duration(one.deadline) if one.deadline else DEADLINE
            for one in self.content.recipients
        }


class Purpose(msgspec.Struct, frozen=True):
    """A purpose of one controller with all its versions, numbered 1, 2, 3 ... in order."""

    controller: str
    slug: str
    versions: tuple[PurposeVersion, ...]

    def get(self, number: int) -> PurposeVersion | None:
        return self.versions[number - 1] if 1 <= number <= len(self.versions) else None

    def current(self, at: datetime) -> PurposeVersion:
        """The highest version in effect; before any is, the first (facts may be older than the catalogue)."""
        for version in reversed(self.versions):
            if version.effective_from <= at:
                return version
        return self.versions[0]

    def in_effect(self, at: datetime) -> bool:
        return self.versions[0].effective_from <= at

    def overtaken(self, number: int, at: datetime, known: int | None = None) -> PurposeVersion | None:
        """The first material version after `number` that is in effect at that time, if there is one (R4).

        With `known`, no version after that one counts: it was not there when something was decided.
        """
        for version in self.versions[number:known]:
            if version.change is Change.MATERIAL and version.effective_from <= at:
                return version
        return None

    def oldest_valid(self, at: datetime) -> int:
        """The number of the oldest version that no material change has overtaken (R7)."""
        for version in reversed(self.versions):
            if version.change is Change.MATERIAL and version.effective_from <= at:
                return version.number
        return 1
