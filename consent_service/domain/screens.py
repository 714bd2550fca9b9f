"""What was on screen when somebody chose: the purposes' texts in order, the banner's own, the layer (R37)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec

from consent_service.domain.choices import Button
from consent_service.domain.languages import choose_language
from consent_service.domain.purposes import BasesKind, Purpose, PurposeVersion


class Layer(StrEnum):
    """Which of a banner's screens it was."""

    BANNER = "banner"
    """The first: all or nothing, or on to the settings."""
    SETTINGS = "settings"
    """The second: purpose by purpose."""


#: What each layer must have: refusing stands where accepting stands, so that it is as easy.
BUTTONS: dict[Layer, tuple[Button, ...]] = {
    Layer.BANNER: (Button.ACCEPT_ALL, Button.REFUSE_ALL, Button.SETTINGS, Button.CLOSE),
    Layer.SETTINGS: (Button.ACCEPT_ALL, Button.REFUSE_ALL, Button.SAVE, Button.CLOSE),
}


class ShownPurpose(msgspec.Struct, frozen=True, array_like=True):
    """One purpose as it was shown: a notice in one language. In JSON an array in this order."""

    purpose: str
    version: int
    language: str
    notice_hash: str


class Screen(msgspec.Struct, frozen=True):
    """What a visitor had before them. The JSON of it, by the names of its members, is what `screen_hash` hashes."""

    layer: Layer
    purposes: tuple[ShownPurpose, ...]
    texts: dict[str, str]

    def shown(self, purpose: str) -> ShownPurpose | None:
        return next((one for one in self.purposes if one.purpose == purpose), None)


def screen_hash(screen: Screen) -> bytes:
    """SHA-256 of the screen as canonical JSON (RFC 8785: names sorted, no blanks) of `layer`, `purposes`, `texts`."""
    return sha256(msgspec.json.encode(screen, order="sorted")).digest()


def displayed(
    purposes: Mapping[str, Purpose], order: Sequence[str], at: datetime
) -> list[tuple[str, PurposeVersion]]:
    """The site's purposes as a banner shows them at that moment, in its order, each with the version in effect.

    Left out is what cannot be asked or told: not in effect yet, retired, without a legal basis, or without a notice.
    """
    found = (
        (slug, purposes[slug].current(at))
        for slug in order
        if slug in purposes and purposes[slug].in_effect(at)
    )
    return [
        (slug, version)
        for slug, version in found
        if not version.content.retired and version.kind is not BasesKind.NONE and version.content.notices
    ]


def languages_of(versions: Iterable[PurposeVersion]) -> tuple[str, ...]:
    """The languages that a whole screen can be shown in: those of every purpose, or, where they share none, of any."""
    of_each = [set(version.content.notices) for version in versions]
    if not of_each:
        return ()
    shared = set.intersection(*of_each) or set.union(*of_each)
    return tuple(sorted(shared))


def show(
    versions: Iterable[tuple[str, PurposeVersion]], language: str
) -> tuple[tuple[ShownPurpose, PurposeVersion], ...]:
    """Each purpose in that language, or where it has none in it, in the nearest of its own."""
    shown = []
    for slug, version in versions:
        own = choose_language([language], version.content.notices)
        shown.append((ShownPurpose(slug, version.number, own, version.notice_hashes[own]), version))
    return tuple(shown)
