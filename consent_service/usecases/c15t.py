"""c15t's way of saying what a visitor chose and of asking what stands, in our terms (R39).

The id that its client makes for a browser is the visitor's id. A choice is known by that id, its type and the moment
that the browser tells: sent again, however late and with whatever else in it, it is the same choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec

from consent_service.domain.c15t import Category, follows, ticked, ticks
from consent_service.domain.choices import Button, Choice, Unrecorded
from consent_service.domain.errors import Erased, SeveralRefusals
from consent_service.domain.refusals import CLOCK_SKEW
from consent_service.domain.screens import Layer
from consent_service.domain.values import Status
from consent_service.usecases.sites import Site, Sites
from consent_service.usecases.visitors import Choosing, Visitor, VisitorConsent, Visitors

#: The only type that is about a site's purposes; the others (terms, age) are no consents of ours.
COOKIE_BANNER = "cookie_banner"
#: Milliseconds from 1970: the moments that are kept of anything, from 1900 to the end of 9999.
GIVEN_MS_MIN, GIVEN_MS_MAX = -2_208_988_800_000, 253_402_214_400_000
_DIGITS = 15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENDED = frozenset({Status.EXPIRED, Status.INVALIDATED, Status.REVOKED})
_SETTINGS = frozenset({"dialog", "widget"})


class Saved(msgspec.Struct, frozen=True):
    """What a visitor saved: `preferences` are ticks by category, `given_ms` the browser's clock.

    `ui_source` says where: banner, dialog, widget or api; `token` is what `/init` gave; `evidence` what else is known.
    """

    preferences: Mapping[str, bool]
    given_ms: int
    button: Button | None
    ui_source: str | None
    token: str | None
    evidence: Mapping[str, object]
    traceparent: str | None = None

    @property
    def layer(self) -> Layer:
        """Where the banner does not tell it, by its button: a choice of one's own is made on the second."""
        is_settings = self.ui_source in _SETTINGS or (
            self.ui_source != Layer.BANNER and self.button is Button.SAVE
        )
        return Layer.SETTINGS if is_settings else Layer.BANNER

    @property
    def screen_hash(self) -> bytes | None:
        """Of the layer that was shown; None where the banner had no words of ours (it was offline, say)."""
        hashes = (self.token or "").split(".")
        if len(hashes) != len(Layer):
            return None
        try:
            return bytes.fromhex(hashes[list(Layer).index(self.layer)])
        except ValueError:
            return None


class Standing(msgspec.Struct, frozen=True):
    """What stands for a visitor: ticks by category, when something was last said, and whether to ask anew."""

    preferences: Mapping[Category, bool]
    since: datetime | None
    has_ended: bool


class Kept(msgspec.Struct, frozen=True):
    """What saving led to. `recorded` is false where nothing was new, or nothing could be recorded; `unrecorded` tells
    what must be asked again.
    """

    choice_id: str
    standing: Standing
    recorded: bool
    unrecorded: tuple[Unrecorded, ...] = ()


def said_by(site: Site, saved: Saved, at: datetime) -> dict[str, Choice]:
    """The site's purposes that it says something about."""
    return ticked(site.entry.c15t, site.purposes, saved.preferences, saved.button, at)


async def save(
    sites: Sites, visitors: Visitors, site: Site, visitor: Visitor, saved: Saved, said: Mapping[str, Choice]
) -> Kept:
    """Record what it says, once for ever. What the ledger refuses is not recorded, and no refusal is raised: the client
    would send it again on every page. Raises Overloaded and Unavailable.
    """
    choice_id = _choice_id(visitor, saved.given_ms)
    if not said:
        return Kept(choice_id, await standing(visitors, site, visitor), recorded=False)
    screen_hash = saved.screen_hash
    screen = None if screen_hash is None else await sites.screen(site, screen_hash)
    latest_ms = _milliseconds(visitors.now() + CLOCK_SKEW)
    choosing = Choosing(
        choice_id=choice_id,
        choices=said,
        language=None,
        layer=saved.layer,
        screen_hash=screen_hash,
        latest_id=max(choice_id, _choice_id(visitor, latest_ms)),
        occurred_at=moment(saved.given_ms),
        evidence=_evidence(saved, is_known=screen is not None),
        traceparent=saved.traceparent,
    )
    try:
        chosen = await visitors.choose(site, visitor, choosing)
    except (Erased, SeveralRefusals):
        return Kept(choice_id, await standing(visitors, site, visitor), recorded=False)
    told = _standing(site, chosen.consents, visitors.now())
    return Kept(choice_id, told, recorded=not chosen.replayed, unrecorded=chosen.ask_again)


async def standing(visitors: Visitors, site: Site, visitor: Visitor) -> Standing:
    """What stands; of somebody who was erased, nothing."""
    try:
        consents = await visitors.consents(site, visitor)
    except Erased:
        consents = []
    return _standing(site, consents, visitors.now())


def _standing(site: Site, consents: Sequence[VisitorConsent], at: datetime) -> Standing:
    categories = site.entry.c15t
    asked_for = {
        slug for category, slugs in categories if category is not Category.NECESSARY for slug in slugs
    }
    found = [one for one in consents if one.purpose in asked_for]
    return Standing(
        preferences=ticks(
            categories,
            {
                one.purpose: one.permission.allowed
                for one in found
                if follows(site.purposes[one.purpose].current(at))
            },
        ),
        since=max((one.since for one in found if one.since is not None), default=None),
        has_ended=any(one.status in _ENDED for one in found),
    )


def _evidence(saved: Saved, *, is_known: bool) -> dict[str, object]:
    """The banner was c15t's, and what it really showed is the site's affair: `registered` says that it had our words
    to show, of the screen that is named beside; `unregistered`, that nobody knows what it showed.
    """
    return {
        **saved.evidence,
        "banner": "c15t",
        "screen": "registered" if is_known else "unregistered",
        "layer": saved.layer,
        "preferences": {one: tick for one, tick in saved.preferences.items() if one in set(Category)},
        "given_ms": saved.given_ms,
    }


def _choice_id(visitor: Visitor, given_ms: int) -> str:
    """Ids of one visitor sort as their moments; they do not tell the visitor's id."""
    digest = sha256(visitor.value.encode()).hexdigest()[:24]
    return f"c15t-{digest}-{given_ms - GIVEN_MS_MIN:0{_DIGITS}d}"


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def moment(given_ms: int) -> datetime:
    """When that was by the browser's clock."""
    return _EPOCH + timedelta(milliseconds=given_ms)
