"""What loading a catalogue file would change: told to people first, then applied as told (R4, CORE 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from consent_service.domain.catalogue import (
    CatalogueEntries,
    ControllerEntry,
    PurposeEntry,
    SiteEntry,
    differing_fields,
    material_reasons,
    next_version,
)
from consent_service.domain.errors import ConsentError, InvalidValue
from consent_service.domain.purposes import BasesKind, Change, Purpose, PurposeVersion, kind_of


class Kind(StrEnum):
    CONTROLLER = "controller"
    SITE = "site"
    PURPOSE = "purpose"


class Action(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class StoredCatalogue(msgspec.Struct, frozen=True):
    """What stands before a file is loaded; `controller` is None where the file brings a new one."""

    controller: ControllerEntry | None
    sites: Mapping[str, SiteEntry]
    purposes: Mapping[str, Purpose]


class PlannedChange(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one thing that a file names.

    `fields` differ from what stands, `reasons` say why the step cannot be editorial, `version` is the new one
    of a purpose. Pointers of the `refusals` start at the file's root.
    """

    kind: Kind
    name: str
    action: Action
    fields: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    version: PurposeVersion | None = None
    refusals: tuple[ConsentError, ...] = ()


def plan_changes(stored: StoredCatalogue, entries: CatalogueEntries, now: datetime) -> list[PlannedChange]:
    """The controller, then its sites and purposes as the file names them."""
    kinds = {slug: purpose.versions[-1].kind for slug, purpose in stored.purposes.items()}
    kinds |= {entry.slug: kind_of(entry.legal_bases) for entry in entries.purposes}
    return [
        _plan(Kind.CONTROLLER, entries.controller.slug, stored.controller, entries.controller),
        *(
            _plan_site(stored.sites.get(site.key), site, kinds, f"/sites/{place}")
            for place, site in enumerate(entries.sites)
        ),
        *(
            _plan_purpose(stored.purposes.get(entry.slug), entry, now, f"/purposes/{place}")
            for place, entry in enumerate(entries.purposes)
        ),
    ]


def _plan(kind: Kind, name: str, old: msgspec.Struct | None, new: msgspec.Struct) -> PlannedChange:
    if old is None:
        return PlannedChange(kind=kind, name=name, action=Action.NEW)
    fields = differing_fields(old, new)
    return PlannedChange(
        kind=kind, name=name, action=Action.CHANGED if fields else Action.UNCHANGED, fields=fields
    )


def _plan_site(
    old: SiteEntry | None, new: SiteEntry, kinds: Mapping[str, BasesKind], pointer: str
) -> PlannedChange:
    """`kinds` are those of all purposes that there are, or will be."""
    refusals = (
        *(
            InvalidValue(f"There is no purpose {slug}.", pointer=f"{pointer}/purposes/{place}")
            for place, slug in enumerate(new.purposes)
            if slug not in kinds
        ),
        *(
            InvalidValue(
                f"{slug} rests on consent, and nobody can say no to what is `necessary`.",
                pointer=f"{pointer}/c15t/necessary/{place}",
            )
            for place, slug in enumerate(new.c15t.necessary)
            if kinds.get(slug) in (BasesKind.CONSENT, BasesKind.CONSENT_INTERESTS)
        ),
    )
    if refusals:
        return PlannedChange(kind=Kind.SITE, name=new.key, action=Action.REFUSED, refusals=refusals)
    return _plan(Kind.SITE, new.key, old, new)


def _plan_purpose(old: Purpose | None, entry: PurposeEntry, now: datetime, pointer: str) -> PlannedChange:
    latest = old.versions[-1] if old else None
    fields = differing_fields(latest.content, entry.content) if latest else ()
    reasons = material_reasons(latest.content, entry.content) if latest else ()
    version: PurposeVersion | None = None
    refusals: tuple[ConsentError, ...] = ()
    try:
        version = next_version(old, entry, now)
    except ConsentError as refusal:
        refusal.pointer = f"{pointer}{refusal.pointer or ''}"
        refusals = (refusal,)
    if refusals:
        action = Action.REFUSED
    elif version is None:
        action = Action.UNCHANGED
    else:
        action = Action.CHANGED if old else Action.NEW
    return PlannedChange(
        kind=Kind.PURPOSE,
        name=entry.slug,
        action=action,
        fields=fields,
        reasons=reasons,
        version=version,
        refusals=refusals,
    )


def describe(planned: PlannedChange) -> str:
    """A change in a line of words, without the name of the thing."""
    if planned.action is Action.REFUSED:
        return "refused"
    if planned.version is None:
        return f"{planned.action}: {', '.join(planned.fields)}" if planned.fields else planned.action.value
    version = planned.version
    told = [f"version {version.number}"]
    if planned.action is Action.NEW:
        told.insert(0, "new")
    else:
        told.append(_change_in_words(version.change, planned))
    if version.effective_from > version.published_at:
        told.append(f"in effect from {version.effective_from:%Y-%m-%d %H:%M} UTC")
    return ", ".join(told)


def _change_in_words(change: Change, planned: PlannedChange) -> str:
    fields = ", ".join(planned.fields)
    if change is Change.EDITORIAL:
        return f"editorial: {fields}; consents stand"
    reasons = f" ({'; '.join(planned.reasons)})" if planned.reasons else ""
    return f"material: {fields}{reasons}; earlier consents end"
