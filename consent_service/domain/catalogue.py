"""What a catalogue file says, how content is hashed, when it becomes a new version (R1, R4, CORE 5, 15)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import msgspec

from consent_service.domain.c15t import Categories
from consent_service.domain.errors import InvalidValue, MustBeMaterial
from consent_service.domain.purposes import (
    Change,
    NoticeText,
    Purpose,
    PurposeContent,
    PurposeVersion,
    Recipient,
    Retention,
    Transfer,
)
from consent_service.domain.values import LATEST

#: Purpose versions belong to no person: on the outbox they carry the nil UUID and lie in this one shard, so
#: that one relay publishes them in the order of their publication (CORE 20).
PURPOSES_SUBJECT = UUID(int=0)
PURPOSES_SHARD = 0


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to reach the controller, and what it is for."""

    type: str
    value: str
    use: str | None = None


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fact of the controller that no other field holds."""

    topic: str
    text: str
    values: tuple[str, ...] = ()
    retention: tuple[Retention, ...] = ()


class ControllerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A controller as its policy describes it. `rights` maps a right to true, false or a limit in words.

    `policy_date` is an ISO 8601 date; `reconsent_on` is `purpose_change` or null (R6).
    """

    slug: str
    legal_name: str
    policy_date: str | None = None
    contacts: tuple[Contact, ...] = ()
    complaint: str | None = None
    rights: dict[str, bool | str | None] = {}
    recipients: tuple[Recipient, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    renewal_rules: tuple[str, ...] = ()
    reconsent_on: str | None = None
    notes: tuple[Note, ...] = ()


class SiteEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site by its public key; `purposes` stand in the order in which a banner shows them (R37).

    `c15t`, where the site's banner is that of c15t, puts some of them under its categories (R39). `texts` are words
    that the banner has instead of the service's own, by language and by their names in BANNER_TEXTS (R40).
    """

    key: str
    origins: tuple[str, ...]
    purposes: tuple[str, ...] = ()
    c15t: Categories = Categories()
    texts: dict[str, dict[str, str]] = {}


class PurposeInput(PurposeContent, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version as somebody asks for it: its content, and two fields that are no content (CORE 5)."""

    change: Change | None = None
    effective_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    @property
    def content(self) -> PurposeContent:
        return PurposeContent(**{name: getattr(self, name) for name in PurposeContent.__struct_fields__})


class PurposeEntry(PurposeInput, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A purpose in a catalogue file."""

    slug: str


class CatalogueEntries(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A catalogue file: one controller, and of its sites and purposes those that the file names."""

    controller: ControllerEntry
    sites: tuple[SiteEntry, ...] = ()
    purposes: tuple[PurposeEntry, ...] = ()


def plain(value: Any) -> Any:
    """Structs as mappings of JSON values, without the fields that stand at their default.

    Left-out and default are the same content, and a field that a later release adds changes no hash.
    """
    if isinstance(value, msgspec.Struct):
        fields = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
        return {field.encode_name: plain(item) for field, item in fields if not _is_default(field, item)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _is_default(field: msgspec.structs.FieldInfo, item: Any) -> bool:
    if field.default_factory is not msgspec.NODEFAULT:
        return bool(item == field.default_factory())
    return field.default is not msgspec.NODEFAULT and bool(item == field.default)


def canonical(value: PurposeContent | NoticeText) -> bytes:
    """`plain` as JSON in UTF-8, as RFC 8785 writes it: keys sorted, no blanks, fewest escapes."""
    return msgspec.json.encode(plain(value), order="sorted")


def content_hash(content: PurposeContent) -> str:
    """SHA-256 of the canonical content, lower-case hex; equal hashes are equal content (CORE 5)."""
    return sha256(canonical(content)).hexdigest()


def notice_hash(notice: NoticeText) -> str:
    """SHA-256 of one language's notice, lower-case hex: what a record pins as shown (R37).

    Over the canonical JSON of `description`, `labels` (left out when empty) and `name`, without the language.
    """
    return sha256(canonical(notice)).hexdigest()


def differing_fields(old: msgspec.Struct, new: msgspec.Struct) -> tuple[str, ...]:
    """The fields in which two structs of one type differ, sorted by name."""
    before, after = plain(old), plain(new)
    return tuple(sorted(name for name in before | after if before.get(name) != after.get(name)))


def material_reasons(old: PurposeContent, new: PurposeContent) -> tuple[str, ...]:
    """Why the step from one content to the other cannot be editorial; empty where it can (R4, CORE 5).

    Recipients are told apart by slug, transfers by country. The order of bases plays no part, and what
    is only stated neither.
    """
    reasons = ["the legal bases differ"] if set(old.legal_bases) != set(new.legal_bases) else []
    reasons += _added("recipient", [one.slug for one in old.recipients], [one.slug for one in new.recipients])
    reasons += _added("data category", old.data_categories, new.data_categories)
    reasons += _added("transfer to", _countries(old.transfers), _countries(new.transfers))
    return tuple(reasons)


def _added(word: str, old: Iterable[str], new: Iterable[str]) -> list[str]:
    known = set(old)
    return [f"{word} {name} is new" for name in new if name not in known]


def _countries(transfers: Iterable[Transfer]) -> list[str]:
    return [transfer.country for transfer in transfers]


def check_change(old: PurposeContent | None, new: PurposeContent, change: Change | None) -> Change:
    """The change that a differing content is published as; the first version counts as material (R4, CORE 5).

    Raises InvalidValue where it is not said, MustBeMaterial where `editorial` is too little.
    """
    if old is None:
        return Change.MATERIAL
    if change is None:
        differing = ", ".join(differing_fields(old, new))
        raise InvalidValue(
            f"The content differs from the latest version ({differing}): "
            "say `material` if people must be asked again, else `editorial`.",
            pointer="/change",
        )
    reasons = material_reasons(old, new)
    if change is Change.EDITORIAL and reasons:
        raise MustBeMaterial(f"This cannot be editorial: {', '.join(reasons)}.", pointer="/change")
    return change


def check_effective_from(latest: PurposeVersion | None, asked: datetime | None, now: datetime) -> datetime:
    """When a new version takes effect: now unless asked otherwise, never past, never before the latest one's.

    Raises InvalidValue.
    """
    if asked is not None and asked < now:
        raise InvalidValue(
            "This moment has passed; leave the field out for now, or name one ahead.",
            pointer="/effective_from",
        )
    if asked is not None and asked > LATEST:
        raise InvalidValue("This moment is too far ahead to be kept.", pointer="/effective_from")
    effective_from = (asked or now).astimezone(UTC)
    if latest is not None and effective_from < latest.effective_from:
        raise InvalidValue(
            f"Version {latest.number} takes effect at {latest.effective_from:%Y-%m-%dT%H:%M:%SZ}; "
            "a later version cannot take effect before it.",
            pointer="/effective_from",
        )
    return effective_from


def next_version(purpose: Purpose | None, asked: PurposeInput, now: datetime) -> PurposeVersion | None:
    """The version that publishing this makes, or None where nothing differs from the latest (CORE 5).

    `asked` has passed `check_content`. Raises InvalidValue, MustBeMaterial.
    """
    latest = purpose.versions[-1] if purpose else None
    if latest is not None:
        # The clocks of two processes differ a little; publication never goes back in time.
        now = max(now, latest.published_at)
    content = asked.content
    digest = content_hash(content)
    if latest is not None and latest.content_hash == digest:
        return None
    change = check_change(latest.content if latest else None, content, asked.change)
    effective_from = check_effective_from(latest, asked.effective_from, now)
    return PurposeVersion(
        number=latest.number + 1 if latest else 1,
        change=change,
        effective_from=effective_from,
        published_at=now,
        content=content,
        content_hash=digest,
        notice_hashes={language: notice_hash(notice) for language, notice in content.notices.items()},
    )
