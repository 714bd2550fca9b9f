"""The words that c15t's banner has beside those of the notices; they are part of what was shown (R37, R39)."""

from __future__ import annotations

from collections.abc import Mapping

from consent_service.domain.c15t import Category

#: By language: each category's title; `about` names the purposes on the first layer; the rest is c15t's own.
C15T_TEXTS: Mapping[str, dict[str, str]] = {
    "nb": {
        Category.NECESSARY: "Nødvendig",
        Category.FUNCTIONALITY: "Funksjoner",
        Category.MEASUREMENT: "Statistikk",
        Category.EXPERIENCE: "Opplevelse",
        Category.MARKETING: "Markedsføring",
        "about": "Det gjelder: {purposes}.",
        "frame_title": "Si ja til {category} for å se dette innholdet.",
        "frame_button": "Si ja til {category}",
        "privacy_policy": "Personvernerklæring",
        "cookie_policy": "Informasjonskapsler",
        "terms_of_service": "Vilkår",
        "secured_by": "Levert av",
    },
    "nn": {
        Category.NECESSARY: "Nødvendig",
        Category.FUNCTIONALITY: "Funksjonar",
        Category.MEASUREMENT: "Statistikk",
        Category.EXPERIENCE: "Oppleving",
        Category.MARKETING: "Marknadsføring",
        "about": "Det gjeld: {purposes}.",
        "frame_title": "Sei ja til {category} for å sjå dette innhaldet.",
        "frame_button": "Sei ja til {category}",
        "privacy_policy": "Personvernerklæring",
        "cookie_policy": "Informasjonskapslar",
        "terms_of_service": "Vilkår",
        "secured_by": "Levert av",
    },
    "en": {
        Category.NECESSARY: "Necessary",
        Category.FUNCTIONALITY: "Functionality",
        Category.MEASUREMENT: "Statistics",
        Category.EXPERIENCE: "Experience",
        Category.MARKETING: "Marketing",
        "about": "This is about: {purposes}.",
        "frame_title": "Accept {category} to see this content.",
        "frame_button": "Accept {category}",
        "privacy_policy": "Privacy policy",
        "cookie_policy": "Cookies",
        "terms_of_service": "Terms",
        "secured_by": "Provided by",
    },
}
