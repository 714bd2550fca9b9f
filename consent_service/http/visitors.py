"""GET and POST /site/v1/{site_key}/consents: what stands for a visitor, what they choose (API face 2, R36 to R38)."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from consent_service.domain.choices import NEVER_GRANTING, Button, Choice, Unrecorded
from consent_service.domain.errors import (
    Erased,
    ForeignOrigin,
    IdempotencyKeyReuse,
    InvalidRequest,
    InvalidValue,
    NoLegalBasis,
    NotConsentBased,
    NotWithdrawable,
    Overloaded,
    TooManyRequests,
    Unavailable,
    UnknownReference,
)
from consent_service.domain.screens import Layer
from consent_service.http.endpoint import VISITOR
from consent_service.http.exchange import Call, Reply, Visit, json_reply
from consent_service.http.operation import Answer, Operation, Parameter
from consent_service.http.queries import in_utc
from consent_service.http.services import Services
from consent_service.http.site_examples import CHOICE, CHOSEN, CONSENTS
from consent_service.http.wire import LanguageTag, Moment, Slug
from consent_service.usecases.visitors import Choosing, Visitor, VisitorConsent

PATH_LENGTH_MAX = 1024
_RANDOM = "[A-Za-z0-9_-]{22,64}"
_VISITOR = re.compile(_RANDOM.encode())
_BEHIND_PATH = re.compile(r"[?#]")
_HASH = "[0-9a-f]{64}"
_VARY = (b"vary", b"Consent-Visitor, Sec-GPC")


def _exactly(pattern: str, description: str) -> Meta:
    r"""`\Z` refuses a trailing line feed; JSON Schema knows `$` alone, and means `\Z`."""
    return Meta(
        pattern=rf"^{pattern}\Z", description=description, extra_json_schema={"pattern": f"^{pattern}$"}
    )


class ChoiceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a visitor chose before a screen. `choice_id` is random and new for every choice; sent again, it is the same
    choice, however late.

    `button` and `path` are kept as evidence, `path` up to its query. `occurred_at`, where the choice waited to be sent,
    is evidence too: what counts is when it came.
    """

    choice_id: Annotated[str, _exactly(_RANDOM, "22 to 64 of A-Z, a-z, 0-9, - and _.")]
    language: LanguageTag
    screen_hash: Annotated[str, _exactly(_HASH, "The notice's, of the layer that was shown.")]
    layer: Layer
    choices: Annotated[dict[Slug, Choice], Meta(min_length=1, max_length=100)]
    button: Button | None = None
    path: Annotated[str, Meta(pattern="^/", max_length=PATH_LENGTH_MAX)] | None = None
    occurred_at: Moment | None = None


class ConsentsBody(msgspec.Struct, frozen=True):
    """What stands for each of the site's purposes."""

    consents: list[VisitorConsent]


class ChosenBody(msgspec.Struct, frozen=True):
    """What stands afterwards. `ask_again` holds what was not recorded, and why: show the present notice, and ask."""

    consents: list[VisitorConsent]
    ask_again: tuple[Unrecorded, ...]


_choice_body = msgspec.json.Decoder(ChoiceBody)


async def read_consents(call: Call, services: Services) -> Reply:
    """What stands for this visitor; nobody is made by asking."""
    visit, visitor = call.visit, _read_visitor(call)
    told = services.guards.sites.admit_reading(
        visit.network, _counted(visit, visitor), visit.site.key.encode()
    )
    consents = await services.visitors.consents(visit.site, visitor)
    return json_reply(200, ConsentsBody(consents), _VARY, *told)


async def choose(call: Call, services: Services) -> Reply:
    """201 with what stands now; 200 where this very choice was sent before."""
    visit, visitor = call.visit, _read_visitor(call)
    body = call.json(_choice_body)
    said = set(body.choices.values())
    told = services.guards.sites.admit_choice(
        visit.network,
        _counted(visit, visitor),
        visit.site.key.encode(),
        says_yes=Choice.GIVEN in said,
        says_no=not said.isdisjoint((Choice.REFUSED, Choice.WITHDRAWN)),
    )
    if Choice.GIVEN in said and body.button in NEVER_GRANTING:
        raise InvalidValue(f"Nothing is given with `{body.button}`.", pointer="/button")
    chosen = await services.visitors.choose(
        visit.site,
        visitor,
        Choosing(
            choice_id=body.choice_id,
            choices=body.choices,
            language=body.language,
            layer=body.layer,
            screen_hash=bytes.fromhex(body.screen_hash),
            occurred_at=(
                None if body.occurred_at is None else in_utc(body.occurred_at, pointer="/occurred_at")
            ),
            evidence=_evidence(call, body),
            traceparent=call.traceparent,
        ),
    )
    answer = ChosenBody(chosen.consents, chosen.ask_again)
    return json_reply(200 if chosen.replayed else 201, answer, _VARY, *told)


def _read_visitor(call: Call) -> Visitor:
    header = call.headers.get(VISITOR)
    if header is None or _VISITOR.fullmatch(header) is None:
        raise InvalidRequest(
            "Send the browser's own random id: 22 to 64 of A-Z, a-z, 0-9, - and _.",
            parameter="Consent-Visitor",
        )
    return Visitor(header.decode(), call.visit.has_signal)


def _counted(visit: Visit, visitor: Visitor) -> bytes:
    """As what a visitor's requests are counted: an id is one site's, and no other site is told of its use (R22)."""
    return f"{visit.site.key} {visitor.value}".encode()


def _evidence(call: Call, body: ChoiceBody) -> dict[str, object]:
    """How it was said, as the browser tells it; never an address, nor what stands behind `?` or `#` in one."""
    told = {
        "site": call.visit.site.key,
        "origin": call.visit.origin,
        "path": None if body.path is None else _BEHIND_PATH.split(body.path, maxsplit=1)[0],
        "language": body.language,
        "layer": body.layer,
        "screen_hash": body.screen_hash,
        "button": body.button,
    }
    known: dict[str, object] = {name: value for name, value in told.items() if value is not None}
    return {**known, "gpc": call.visit.has_signal}


_VISITOR_HEADER = Parameter(
    "Consent-Visitor",
    "A random id of at least 128 bits that the browser made itself and keeps for this site.",
    {"type": "string", "pattern": f"^{_RANDOM}$"},
    required=True,
)
_LIMITS = ("RateLimit-Policy", "RateLimit", "Vary")
_GPC = Parameter(
    "Sec-GPC",
    "`1` where the browser asks not to sell or share; anything else is nothing.",
    {"type": "string"},
)

OPERATIONS = (
    Operation(
        method="GET",
        path="/site/v1/{site_key}/consents",
        name="readConsents",
        tag="Sites",
        summary="What stands for a visitor",
        description="A visitor who never chose has no records. With `Sec-GPC: 1`, what shares or sells is not allowed "
        "without a choice: reason `signal`.",
        scope=None,
        handler=read_consents,
        headers=(_VISITOR_HEADER, _GPC),
        answers=(Answer(200, "Each of the site's purposes.", ConsentsBody, CONSENTS, headers=_LIMITS),),
        problems=(ForeignOrigin, Erased, TooManyRequests, Overloaded, Unavailable),
    ),
    Operation(
        method="POST",
        path="/site/v1/{site_key}/consents",
        name="chooseConsents",
        tag="Sites",
        summary="Record what a visitor chose",
        description=(
            "From a page of the site (`Origin`). A grant of what a material change has overtaken since it was shown is "
            "not recorded and stands in `ask_again`; what says no always is recorded. `choice_id` takes the place of "
            "an `Idempotency-Key`, for ever."
        ),
        scope=None,
        handler=choose,
        body=ChoiceBody,
        body_example=CHOICE,
        headers=(_VISITOR_HEADER, _GPC),
        answers=(
            Answer(201, "The choice was taken.", ChosenBody, CHOSEN, headers=_LIMITS),
            Answer(200, "This very choice was taken before.", ChosenBody, CHOSEN, headers=_LIMITS),
        ),
        problems=(
            ForeignOrigin,
            UnknownReference,
            InvalidValue,
            NotWithdrawable,
            NotConsentBased,
            NoLegalBasis,
            IdempotencyKeyReuse,
            Erased,
            TooManyRequests,
            Overloaded,
            Unavailable,
        ),
    ),
)
