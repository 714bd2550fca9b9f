"""What the client of c15t 2.2.1 calls, under /site/v1/{site_key}/c15t: `/init`, `/subjects`, `/subjects/{id}` (R39).

Names, and what may be left out or added, are c15t's, not ours. What is well-formed is answered with 2xx, since its
client keeps whatever else it gets, and sends it again on every page.
"""

from __future__ import annotations

import re

import msgspec

from consent_service.domain.c15t import BUTTONS
from consent_service.domain.choices import Choice
from consent_service.domain.errors import (
    ForeignOrigin,
    InvalidRequest,
    NotFound,
    Overloaded,
    TooManyRequests,
    Unavailable,
)
from consent_service.http.c15t_bodies import (
    C15tClaimed,
    C15tConsent,
    C15tMetadata,
    C15tPatchBody,
    C15tPatchedBody,
    C15tReadBody,
    C15tSaveBody,
    C15tSavedBody,
    C15tSubject,
)
from consent_service.http.exchange import Call, Reply, Visit, json_reply
from consent_service.http.negotiation import read_languages
from consent_service.http.notice import page_reply
from consent_service.http.operation import Answer, Operation, Parameter
from consent_service.http.services import Services
from consent_service.http.site_examples import (
    C15T_INIT,
    C15T_PATCH,
    C15T_PATCHED,
    C15T_READ,
    C15T_SAVE,
    C15T_SAVED,
)
from consent_service.http.wire import C15T_SUBJECT
from consent_service.usecases.c15t import (
    COOKIE_BANNER,
    Kept,
    Saved,
    moment,
    said_by,
    save,
    standing,
)
from consent_service.usecases.c15t_editions import Init
from consent_service.usecases.editions import choose_page
from consent_service.usecases.sites import Site
from consent_service.usecases.visitors import Visitor

_SUBJECT = re.compile(C15T_SUBJECT)
_CLIENT_VERSION = re.compile(rb"\d{1,4}\.\d{1,4}\.\d{1,4}")
_UI_SOURCES = frozenset({"banner", "dialog", "widget", "api"})
_VARY = (b"vary", b"Sec-GPC")
#: Asked for again on every page: what is ticked before old words gives nothing, and c15t does not learn of it.
_CACHED = b"no-cache"

_save_body = msgspec.json.Decoder(C15tSaveBody)
_patch_body = msgspec.json.Decoder(C15tPatchBody)


async def read_init(call: Call, services: Services) -> Reply:
    """How to ask, in the language that the browser prefers."""
    edition = await services.sites.edition(_site(call))
    page = choose_page(edition.c15t, read_languages(call.headers.get(b"accept-language")))
    return page_reply(call, page, cached=_CACHED, vary=b"Accept-Encoding, Accept-Language")


async def save_choice(call: Call, services: Services) -> Reply:
    """201, or 200 where nothing new was recorded."""
    site, visit = _site(call), call.visit
    body = call.json(_save_body)
    if body.type == COOKIE_BANNER and body.preferences is None:
        raise InvalidRequest("What was ticked is missing.", pointer="/preferences")
    visitor = Visitor(body.subject_id, visit.has_signal)
    saved = Saved(
        preferences=(body.preferences or {}) if body.type == COOKIE_BANNER else {},
        given_ms=int(body.given_at),
        button=BUTTONS.get(body.consent_action or ""),
        ui_source=body.ui_source if body.ui_source in _UI_SOURCES else None,
        token=body.policy_snapshot_token,
        evidence=_evidence(call, body),
        traceparent=call.traceparent,
    )
    said = said_by(site, saved, services.visitors.now())
    words = set(said.values())
    told = services.guards.sites.admit_choice(
        visit.network,
        _counted(visit, body.subject_id),
        site.key.encode(),
        says_yes=Choice.GIVEN in words,
        says_no=Choice.REFUSED in words,
    )
    kept = await save(services.sites, services.visitors, site, visitor, saved, said)
    return json_reply(201 if kept.recorded else 200, _saved(call, body, kept), _VARY, *told)


async def read_subject(call: Call, services: Services) -> Reply:
    """What stands for this browser's visitor; nobody is made by asking."""
    site, subject_id = _site(call), _subject(call)
    told = services.guards.sites.admit_reading(
        call.visit.network, _counted(call.visit, subject_id), site.key.encode()
    )
    found = await standing(services.visitors, site, Visitor(subject_id, call.visit.has_signal))
    if found.since is None:
        raise NotFound("Nothing was saved under this id.")
    consent = C15tConsent(
        id=subject_id,
        type=COOKIE_BANNER,
        policy_id=site.key,
        is_latest_policy=not found.has_ended,
        preferences=dict(found.preferences),
        given_at=found.since,
    )
    answer = C15tReadBody(C15tSubject(subject_id), (consent,), is_valid=not found.has_ended)
    return json_reply(200, answer, _VARY, *told)


async def claim_identity(call: Call, services: Services) -> Reply:
    """As the client expects it; the claim is proven by the site's own back end, over /v1, or never."""
    site, subject_id, body = _site(call), _subject(call), call.json(_patch_body)
    told = services.guards.sites.admit_reading(
        call.visit.network, _counted(call.visit, subject_id), site.key.encode()
    )
    answer = C15tPatchedBody(success=True, subject=C15tClaimed(subject_id, body.external_id))
    return json_reply(200, answer, *told)


def _site(call: Call) -> Site:
    """Raises NotFound where the site has another banner."""
    site = call.visit.site
    if not site.entry.c15t:
        raise NotFound("This site has no `c15t` in its catalogue.")
    return site


def _subject(call: Call) -> str:
    subject_id = call.parameters["c15t_subject"]
    if _SUBJECT.fullmatch(subject_id) is None:
        raise NotFound("This is no id of c15t's client.")
    return subject_id


def _counted(visit: Visit, subject_id: str) -> bytes:
    """As what a visitor's requests are counted: an id is one site's, and no other site is told of its use (R22)."""
    return f"{visit.site.key} {subject_id}".encode()


def _host(visit: Visit) -> str | None:
    """Where the page is, by its origin: what the client says of it is text of its own."""
    return None if visit.origin is None else visit.origin.partition("://")[2]


def _saved(call: Call, body: C15tSaveBody, kept: Kept) -> C15tSavedBody:
    site = call.visit.site
    return C15tSavedBody(
        subject_id=body.subject_id,
        consent_id=kept.choice_id,
        domain_id=site.key,
        domain=_host(call.visit) or site.key,
        type=body.type,
        applied_preferences=dict(kept.standing.preferences),
        given_at=moment(int(body.given_at)),
        metadata=C15tMetadata(kept.recorded, kept.unrecorded),
    )


def _evidence(call: Call, body: C15tSaveBody) -> dict[str, object]:
    """How it was said, as the browser tells it; of its texts only those that are c15t's words."""
    version = call.headers.get(b"x-c15t-version", b"")
    told = {
        "site": call.visit.site.key,
        "origin": call.visit.origin,
        "button": BUTTONS.get(body.consent_action or ""),
        "ui_source": body.ui_source if body.ui_source in _UI_SOURCES else None,
        "c15t": version.decode() if _CLIENT_VERSION.fullmatch(version) else None,
    }
    known: dict[str, object] = {name: value for name, value in told.items() if value is not None}
    return {**known, "gpc": call.visit.has_signal}


_LIMITS = ("RateLimit-Policy", "RateLimit", "Vary")
_GPC = Parameter(
    "Sec-GPC",
    "`1` where the browser asks not to sell or share; anything else is nothing.",
    {"type": "string"},
)
_OF_SITES = (ForeignOrigin, TooManyRequests, Overloaded, Unavailable)

OPERATIONS = (
    Operation(
        method="GET",
        path="/site/v1/{site_key}/c15t/init",
        name="c15tInit",
        tag="c15t",
        summary="How c15t's banner asks",
        description="The site's categories, and every word, with the notices' own, in the language of "
        "`Accept-Language`, else nb, en. It changes so that c15t asks again where a material change demands that.",
        scope=None,
        from_c15t=True,
        handler=read_init,
        headers=(Parameter("If-None-Match", "The `ETag` of what is there already.", {"type": "string"}),),
        answers=(
            Answer(
                200,
                "In the names of c15t 2.2.1.",
                Init,
                C15T_INIT,
                headers=("ETag", "Cache-Control", "Content-Language", "Vary"),
            ),
            Answer(304, "What the client has still holds.", headers=("ETag", "Cache-Control", "Vary")),
        ),
        problems=(ForeignOrigin, TooManyRequests, Unavailable),
    ),
    Operation(
        method="POST",
        path="/site/v1/{site_key}/c15t/subjects",
        name="c15tSave",
        tag="c15t",
        summary="Record what a visitor saved on c15t's banner",
        description=(
            "Once for ever for each subject and `givenAt`. What is well-formed is 2xx, also where nothing can be "
            "recorded; `metadata` tells. A tick that comes after a later choice gives nothing; what says no always is "
            "recorded. `externalSubjectId` is not looked at."
        ),
        scope=None,
        from_c15t=True,
        handler=save_choice,
        body=C15tSaveBody,
        body_example=C15T_SAVE,
        headers=(_GPC,),
        answers=(
            Answer(201, "Recorded.", C15tSavedBody, C15T_SAVED, headers=_LIMITS),
            Answer(200, "Nothing new was recorded.", C15tSavedBody, C15T_SAVED, headers=_LIMITS),
        ),
        problems=_OF_SITES,
    ),
    Operation(
        method="GET",
        path="/site/v1/{site_key}/c15t/subjects/{c15t_subject}",
        name="c15tRead",
        tag="c15t",
        summary="What stands, by c15t's categories",
        description="A category is true where all of its purposes are allowed that a tick can allow.",
        scope=None,
        from_c15t=True,
        handler=read_subject,
        query=(Parameter("type", "Not looked at: there is one type.", {"type": "string"}),),
        headers=(_GPC,),
        answers=(Answer(200, "What stands.", C15tReadBody, C15T_READ, headers=_LIMITS),),
        problems=_OF_SITES,
    ),
    Operation(
        method="PATCH",
        path="/site/v1/{site_key}/c15t/subjects/{c15t_subject}",
        name="c15tClaim",
        tag="c15t",
        summary="Answer c15t's identifyUser",
        description="Nothing is recorded: whoever knows who the visitor is links the subject's id over "
        "`POST /v1/subjects/{subject_id}/identifiers`, as a `visitor`.",
        scope=None,
        from_c15t=True,
        handler=claim_identity,
        body=C15tPatchBody,
        body_example=C15T_PATCH,
        answers=(
            Answer(200, "Taken, and not recorded.", C15tPatchedBody, C15T_PATCHED, headers=_LIMITS[:2]),
        ),
        problems=(ForeignOrigin, TooManyRequests),
    ),
)
