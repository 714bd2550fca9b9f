"""What c15t's banner is told of a site: how to ask, and every word that it shows (R37, R39)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from consent_service.domain.banner_texts import BANNER_TEXTS
from consent_service.domain.c15t import Categories, Category, asked
from consent_service.domain.c15t_texts import C15T_TEXTS
from consent_service.domain.choices import choices_of
from consent_service.domain.languages import choose_language
from consent_service.domain.purposes import Purpose, PurposeVersion
from consent_service.domain.screens import Layer, Screen, ShownPurpose, screen_hash

#: The country is never looked up: everybody is asked first.
JURISDICTION = "GDPR"
OPT_IN = "opt-in"
STRICT = "strict"
"""The banner asks for the categories named, and for no other."""


class Actions(msgspec.Struct, frozen=True, rename="camel"):
    """The buttons of a layer: refusing and accepting side by side, and alike."""

    allowed_actions: tuple[str, ...] = ("reject", "accept", "customize")
    primary_actions: tuple[str, ...] = ("reject", "accept")
    layout: tuple[tuple[str, ...] | str, ...] = (("reject", "accept"), "customize")
    direction: str = "row"
    ui_profile: str = "balanced"


class PolicyUi(msgspec.Struct, frozen=True):
    """`mode` is none where there is nothing to choose."""

    mode: str
    banner: Actions = Actions()
    dialog: Actions = Actions()


class PolicyConsent(msgspec.Struct, frozen=True, rename="camel"):
    """`categories` ends with a word that is none of c15t's, and changes when people have to be asked again."""

    categories: tuple[str, ...]
    scope_mode: str = STRICT
    gpc: bool = True


class Policy(msgspec.Struct, frozen=True):
    id: str
    consent: PolicyConsent
    ui: PolicyUi
    model: str = OPT_IN


class Location(msgspec.Struct, frozen=True, rename="camel"):
    country_code: str | None = None
    region_code: str | None = None


class Translations(msgspec.Struct, frozen=True):
    """`translations`: sections of texts, `consentTypes` with a section for each category."""

    language: str
    translations: dict[str, dict[str, str | dict[str, str]]]


class Init(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer to c15t's `/init`, in the names of c15t 2.2.1.

    `policy_snapshot_token` comes back with what is chosen: the screen hashes of both layers, the first layer's first.
    """

    jurisdiction: str = JURISDICTION
    location: Location = Location()
    translations: Translations
    branding: str = "none"
    policy: Policy
    policy_snapshot_token: str


def make_init(
    site_key: str,
    categories: Categories,
    purposes: Mapping[str, Purpose],
    shown: Sequence[tuple[ShownPurpose, PurposeVersion]],
    language: str,
    at: datetime,
) -> tuple[Init, tuple[tuple[bytes, Screen], ...]]:
    """The answer in that language, and its screens by their hashes; `shown` is what the site shows in it."""
    of_slug = {one.purpose: (one, version) for one, version in shown}
    present = {
        category: [of_slug[slug] for slug in slugs if slug in of_slug] for category, slugs in categories
    }
    texts = _texts(language, present)
    on_screen = tuple(one for found in present.values() for one, _ in found)
    screens = tuple(Screen(layer, on_screen, _flat(texts)) for layer in Layer)
    hashes = [screen_hash(one) for one in screens]
    offered = [one for one, found in present.items() if found and one is not Category.NECESSARY]
    can_choose = any(choices_of(version) for one in offered for _, version in present[one])
    init = Init(
        translations=Translations(language, texts),
        policy=Policy(
            site_key,
            PolicyConsent((Category.NECESSARY, *offered, asked(categories, purposes, at))),
            PolicyUi("banner" if can_choose else "none"),
        ),
        policy_snapshot_token=".".join(one.hex() for one in hashes),
    )
    return init, tuple(zip(hashes, screens, strict=True))


def _texts(
    language: str, present: Mapping[Category, list[tuple[ShownPurpose, PurposeVersion]]]
) -> dict[str, dict[str, str | dict[str, str]]]:
    """In c15t's sections. The first layer names every purpose, the second has each one's notice."""
    own = BANNER_TEXTS[choose_language([language], BANNER_TEXTS)]
    words = C15T_TEXTS[choose_language([language], C15T_TEXTS)]
    notices = {
        category: [version.content.notices[one.language] for one, version in found]
        for category, found in present.items()
    }
    to_choose = [
        notice.name
        for category, found in notices.items()
        if category is not Category.NECESSARY
        for notice in found
    ]
    about = words["about"].format(purposes=", ".join(to_choose)) if to_choose else ""
    kinds: dict[str, str | dict[str, str]] = {
        category: {
            "title": words[category],
            "description": "\n\n".join(
                f"{notice.name}: {notice.description}" for notice in notices.get(category, ())
            ),
        }
        for category in Category
    }
    return {
        "common": {
            "acceptAll": own["accept_all"],
            "rejectAll": own["refuse_all"],
            "customize": own["settings"],
            "save": own["save"],
            "close": own["close"],
            "securedBy": words["secured_by"],
        },
        "cookieBanner": {"title": own["title"], "description": f"{own['introduction']} {about}".strip()},
        "consentManagerDialog": {"title": own["title"], "description": own["introduction"]},
        "consentTypes": kinds,
        "frame": {"title": words["frame_title"], "actionButton": words["frame_button"]},
        "legalLinks": {
            "privacyPolicy": words["privacy_policy"],
            "cookiePolicy": words["cookie_policy"],
            "termsOfService": words["terms_of_service"],
        },
    }


def _flat(
    texts: Mapping[str, str | Mapping[str, str | Mapping[str, str]]], before: str = ""
) -> dict[str, str]:
    """The texts by their paths, `cookieBanner.title`."""
    flat: dict[str, str] = {}
    for name, text in texts.items():
        if isinstance(text, str):
            flat[before + name] = text
        else:
            flat |= _flat(text, f"{before}{name}.")
    return flat
