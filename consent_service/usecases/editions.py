"""A site's notice: everything a banner needs, written out in every language it can be shown in (API face 2, R37)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from consent_service.domain.banner_texts import BANNER_TEXTS
from consent_service.domain.catalogue import Contact, ControllerEntry, SiteEntry
from consent_service.domain.choices import Button, Choice, choices_of
from consent_service.domain.languages import choose_language
from consent_service.domain.purposes import (
    AskAgainAfter,
    BasesKind,
    Confirmation,
    Cookie,
    NoticeText,
    Purpose,
    PurposeVersion,
    Recipient,
    Retention,
    Transfer,
)
from consent_service.domain.screens import (
    BUTTONS,
    Layer,
    Screen,
    ShownPurpose,
    displayed,
    languages_of,
    screen_hash,
    show,
)
from consent_service.domain.values import LATEST, Basis
from consent_service.storage.sites import NewScreen
from consent_service.usecases.c15t_editions import Init, make_init
from consent_service.usecases.packing import Packed, pack


class NoticeItem(msgspec.Struct, frozen=True, kw_only=True):
    """One purpose as it is to be shown. `choices` is what may be said about it, empty where there is nothing to choose.

    `allowed_by_default` tells how it stands until something is said. Durations are ISO 8601.
    """

    purpose: str
    version: int
    language: str
    notice_hash: str
    notice: NoticeText
    choices: tuple[Choice, ...]
    allowed_by_default: bool
    legal_bases: tuple[Basis, ...]
    confirmation: Confirmation
    shares_or_sells: bool
    recipients: tuple[Recipient, ...]
    transfers: tuple[Transfer, ...]
    data_categories: tuple[str, ...]
    retention: tuple[Retention, ...]
    renew_after: str | None
    ask_again_after: AskAgainAfter
    cookies: tuple[Cookie, ...]


class NoticeLayer(msgspec.Struct, frozen=True):
    """A layer's buttons, which stand side by side and look alike, and the hash of what it shows."""

    layer: Layer
    buttons: tuple[Button, ...]
    screen_hash: str


class NoticeLinks(msgspec.Struct, frozen=True):
    """Where a person can turn: the controller's contacts, and who hears complaints."""

    contacts: tuple[Contact, ...]
    complaint: str | None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a banner needs. `screen_hash` is the first layer's; `texts` are the banner's own words."""

    site: str
    controller: str
    language: str
    languages: tuple[str, ...]
    screen_hash: str
    texts: dict[str, str]
    layers: tuple[NoticeLayer, ...]
    purposes: tuple[NoticeItem, ...]
    links: NoticeLinks


class Page(msgspec.Struct, frozen=True):
    """A document as it is sent, in JSON."""

    language: str
    content: Packed


class Edition(msgspec.Struct, frozen=True):
    """A site's notice in all its languages, as it stands until `valid_until` unless the catalogue changes.

    `c15t` has what that banner is told, in the same languages; nothing where the site has another banner.
    """

    valid_until: datetime
    pages: dict[str, Page]
    c15t: dict[str, Page]
    screens: tuple[NewScreen, ...]


def choose_page(pages: Mapping[str, Page], asked: Sequence[str]) -> Page:
    """In the first of these languages that there is; else nb, en, or any."""
    return pages[choose_language(asked, pages)]


def make_edition(
    site: SiteEntry, controller: ControllerEntry, purposes: Mapping[str, Purpose], at: datetime
) -> Edition:
    """What the site has to show at that moment."""
    versions = displayed(purposes, site.purposes, at)
    languages = languages_of(version for _, version in versions) or tuple(sorted(BANNER_TEXTS))
    pages: dict[str, Page] = {}
    c15t: dict[str, Page] = {}
    screens: list[NewScreen] = []
    for language in languages:
        texts = _texts(site, language)
        shown = show(versions, language)
        of_layers = [Screen(layer, tuple(one for one, _ in shown), texts) for layer in Layer]
        hashes = [screen_hash(screen) for screen in of_layers]
        screens += [NewScreen(one, language, screen) for one, screen in zip(hashes, of_layers, strict=True)]
        layers = tuple(
            NoticeLayer(screen.layer, BUTTONS[screen.layer], one.hex())
            for one, screen in zip(hashes, of_layers, strict=True)
        )
        notice = Notice(
            site=site.key,
            controller=controller.legal_name,
            language=language,
            languages=languages,
            screen_hash=layers[0].screen_hash,
            texts=texts,
            layers=layers,
            purposes=tuple(_item(one, version) for one, version in shown),
            links=NoticeLinks(controller.contacts, controller.complaint),
        )
        pages[language] = _page(language, notice)
        if site.c15t:
            init, told = make_init(site.key, site.c15t, purposes, shown, language, at)
            c15t[language] = _page(language, init)
            screens += [NewScreen(one, language, screen) for one, screen in told]
    return Edition(_valid_until(purposes, site.purposes, at), pages, c15t, tuple(screens))


def _texts(site: SiteEntry, language: str) -> dict[str, str]:
    """The banner's words in that language or the nearest that there is: the site's own before ours."""
    nearest = choose_language([language], {**BANNER_TEXTS, **site.texts})
    return {**BANNER_TEXTS.get(nearest, {}), **site.texts.get(nearest, {})}


def _item(shown: ShownPurpose, version: PurposeVersion) -> NoticeItem:
    content = version.content
    return NoticeItem(
        purpose=shown.purpose,
        version=shown.version,
        language=shown.language,
        notice_hash=shown.notice_hash,
        notice=content.notices[shown.language],
        choices=choices_of(version),
        allowed_by_default=version.kind not in (BasesKind.CONSENT, BasesKind.CONSENT_INTERESTS),
        legal_bases=content.legal_bases,
        confirmation=content.confirmation,
        shares_or_sells=content.shares_or_sells,
        recipients=content.recipients,
        transfers=content.transfers,
        data_categories=content.data_categories,
        retention=content.retention,
        renew_after=content.renew_after,
        ask_again_after=content.ask_again_after,
        cookies=content.cookies,
    )


def _page(language: str, document: Notice | Init) -> Page:
    return Page(language, pack(msgspec.json.encode(document)))


def _valid_until(purposes: Mapping[str, Purpose], order: Sequence[str], at: datetime) -> datetime:
    """When the next version of any of them takes effect."""
    coming = (
        version.effective_from
        for slug in order
        if slug in purposes
        for version in purposes[slug].versions
        if version.effective_from > at
    )
    return min(coming, default=LATEST)
