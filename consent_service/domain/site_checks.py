"""What a catalogue may say of a site: every fault, with where it lies, as in `catalogue_checks.py`."""

from __future__ import annotations

import re

from consent_service.domain.banner_texts import BANNER_TEXTS
from consent_service.domain.catalogue import SiteEntry
from consent_service.domain.catalogue_checks import (
    Faults,
    check_form,
    filled_faults,
    slug_faults,
    unique_faults,
)
from consent_service.domain.errors import ConsentError, InvalidValue
from consent_service.domain.languages import is_language_tag

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,39}\])(?::(?P<port>[1-9]\d{0,4}))?"
)
_NAMES = frozenset(BANNER_TEXTS["en"])


def check_site(entry: SiteEntry) -> list[ConsentError]:
    """Every fault of a site's entry; whether its purposes exist is not known here."""
    return list(check_form(entry)) or [*_check_site(entry)]


def _check_site(entry: SiteEntry) -> Faults:
    yield from slug_faults(entry.key, "/key")
    yield from unique_faults(entry.origins, "/origins")
    yield from unique_faults(entry.purposes, "/purposes")
    if not entry.origins:
        yield InvalidValue("A site needs at least one origin.", pointer="/origins")
    for place, origin in enumerate(entry.origins):
        match = _ORIGIN.fullmatch(origin)
        default_port = match and (match["scheme"], match["port"]) in (("https", "443"), ("http", "80"))
        if match is None or default_port or int(match["port"] or 1) > 65_535:
            yield InvalidValue(
                "An origin is written as browsers send it, such as https://www.example.org: "
                "small letters, no path, no usual port.",
                pointer=f"/origins/{place}",
            )
    yield from _check_categories(entry)
    yield from _check_texts(entry)


def _check_categories(entry: SiteEntry) -> Faults:
    """R39: a purpose has one category, and is one of the site's."""
    seen: set[str] = set()
    for category, slugs in entry.c15t:
        for place, slug in enumerate(slugs):
            pointer = f"/c15t/{category}/{place}"
            if slug not in entry.purposes:
                yield InvalidValue(f"`{slug}` is not among the site's `purposes`.", pointer=pointer)
            elif slug in seen:
                yield InvalidValue(f"`{slug}` stands here twice.", pointer=pointer)
            seen.add(slug)


def _check_texts(entry: SiteEntry) -> Faults:
    """R40: words have the names of ours, and a language in which there are none of ours needs all of them."""
    for language, texts in entry.texts.items():
        pointer = f"/texts/{language}"
        if not is_language_tag(language):
            yield InvalidValue("Must be a language tag such as nb or en-GB.", pointer=pointer)
            continue
        for name, text in texts.items():
            if name not in _NAMES:
                yield InvalidValue(
                    f"Must be one of {', '.join(sorted(_NAMES))}.", pointer=f"{pointer}/{name}"
                )
            else:
                yield from filled_faults(text, f"{pointer}/{name}")
        missing = sorted(_NAMES - texts.keys())
        if missing and language not in BANNER_TEXTS:
            yield InvalidValue(
                f"All words are needed in this language; missing: {', '.join(missing)}.", pointer=pointer
            )
