"""What the banner of c15t asks for: its five categories, the site's purposes in each, and what a tick means (R39)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec

from consent_service.domain.choices import Button, Choice, choices_of
from consent_service.domain.purposes import BasesKind, Purpose, PurposeVersion


class Category(StrEnum):
    """What c15t's visitors tick, in the order in which its banner shows them."""

    NECESSARY = "necessary"
    """Always on: shown, and never chosen."""
    FUNCTIONALITY = "functionality"
    MEASUREMENT = "measurement"
    EXPERIENCE = "experience"
    MARKETING = "marketing"


class Categories(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A site's purposes under each category; one without any is not shown. False without any at all: no such banner."""

    necessary: tuple[str, ...] = ()
    functionality: tuple[str, ...] = ()
    measurement: tuple[str, ...] = ()
    experience: tuple[str, ...] = ()
    marketing: tuple[str, ...] = ()

    def of(self, category: Category) -> tuple[str, ...]:
        found: tuple[str, ...] = getattr(self, category.value)
        return found

    def __bool__(self) -> bool:
        return any(self.of(one) for one in Category)

    def __iter__(self) -> Iterator[tuple[Category, tuple[str, ...]]]:
        """Those that have purposes."""
        return ((one, self.of(one)) for one in Category if self.of(one))


#: What a banner says that was saved with its button for no; whatever else stands beside it gives nothing.
BUTTONS: Mapping[str, Button] = {
    "all": Button.ACCEPT_ALL,
    "necessary": Button.REFUSE_ALL,
    "custom": Button.SAVE,
}

_BY_CONSENT = frozenset({BasesKind.CONSENT, BasesKind.CONSENT_INTERESTS})


def ticked(
    categories: Categories,
    purposes: Mapping[str, Purpose],
    preferences: Mapping[str, bool],
    button: Button | None,
    at: datetime,
) -> dict[str, Choice]:
    """What ticks say about the purposes behind them, as far as these can be chosen at all.

    A tick gives what rests on consent, and no tick refuses it. Nobody agrees to legitimate interests, so that only a
    missing tick says something of them. Of categories that were not sent nothing is said, nor of what is always on.
    """
    said: dict[str, Choice] = {}
    for category, slugs in categories:
        has_tick = preferences.get(category.value)
        if category is Category.NECESSARY or has_tick is None:
            continue
        for slug in slugs:
            if slug not in purposes:
                continue
            version = purposes[slug].current(at)
            if not has_tick and Choice.REFUSED in choices_of(version):
                said[slug] = Choice.REFUSED
            elif has_tick and version.kind in _BY_CONSENT and button is not Button.REFUSE_ALL:
                said[slug] = Choice.GIVEN
    return said


def follows(version: PurposeVersion) -> bool:
    """Whether a tick tells how the purpose stands: one under double opt-in needs more than a tick."""
    offered = choices_of(version)
    return Choice.GIVEN in offered or (bool(offered) and version.kind not in _BY_CONSENT)


def ticks(categories: Categories, allowed: Mapping[str, bool]) -> dict[Category, bool]:
    """The categories as they stand: ticked where everything in them that is in `allowed` is allowed."""
    told = {
        category: [allowed[slug] for slug in slugs if slug in allowed]
        for category, slugs in categories
        if category is not Category.NECESSARY
    }
    return {Category.NECESSARY: True} | {category: all(found) for category, found in told.items() if found}


def asked(categories: Categories, purposes: Mapping[str, Purpose], at: datetime) -> str:
    """A word that changes when people have to be asked again: with what is asked, and with a material change of it.

    The client of c15t compares the categories of its policy with those that it was answered under, passes over such a
    word otherwise, and asks again where they differ.
    """
    told = [
        [category, sorted([slug, purposes[slug].oldest_valid(at)] for slug in slugs if slug in purposes)]
        for category, slugs in categories
        if category is not Category.NECESSARY
    ]
    return f"asked-{sha256(msgspec.json.encode(told)).hexdigest()[:32]}"
