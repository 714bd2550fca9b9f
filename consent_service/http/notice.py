"""GET /site/v1/{site_key}/notice: everything a banner needs, for any cache to keep (API face 2, R36, R37)."""

from __future__ import annotations

from consent_service.domain.errors import InvalidRequest, TooManyRequests, Unavailable
from consent_service.domain.languages import is_language_tag, match_language
from consent_service.http.exchange import Call, Reply
from consent_service.http.negotiation import read_languages
from consent_service.http.operation import Answer, Operation, Parameter
from consent_service.http.packed import choose_form
from consent_service.http.problems import Headers
from consent_service.http.services import Services
from consent_service.http.site_examples import NOTICE
from consent_service.usecases.editions import Notice, Page, choose_page

#: For so long a browser need not ask again. A text that has changed meanwhile is an outdated screen (R37).
MAX_AGE_S = 300
_LANGUAGE_LENGTH_MAX = 35
_CACHED = b"public, max-age=%d" % MAX_AGE_S


async def read_notice(call: Call, services: Services) -> Reply:
    """In the language asked for, else as the browser prefers; 304 where the client has it."""
    asked = call.query.get("lang")
    if asked is not None and (len(asked) > _LANGUAGE_LENGTH_MAX or not is_language_tag(asked)):
        raise InvalidRequest("A language is named by a tag such as nb, nn or en.", parameter="lang")
    edition = await services.sites.edition(call.visit.site)
    decided = match_language(asked, edition.pages) is not None
    accepted = read_languages(call.headers.get(b"accept-language"))
    page = choose_page(edition.pages, [*([] if asked is None else [asked]), *accepted])
    # Where `lang` decides, a shared cache need not keep one for each browser's preferences.
    vary = b"Accept-Encoding" if decided else b"Accept-Encoding, Accept-Language"
    return page_reply(call, page, cached=_CACHED, vary=vary)


def page_reply(call: Call, page: Page, *, cached: bytes, vary: bytes) -> Reply:
    """The page, to be kept as `cached` says; 304 where the client has it."""
    sent = call.headers
    form = choose_form(page.content, sent.get(b"accept-encoding"), sent.get(b"if-none-match"))
    headers: Headers = [
        *form.headers,
        (b"cache-control", cached),
        (b"vary", vary),
        (b"content-language", page.language.encode()),
    ]
    if form.status == 200:
        headers.append((b"content-type", b"application/json"))
    return Reply(form.status, form.body, headers)


OPERATIONS = (
    Operation(
        method="GET",
        path="/site/v1/{site_key}/notice",
        name="readNotice",
        tag="Sites",
        summary="Everything a banner needs",
        description=(
            "The site's purposes in order, in one language: `lang`, else what `Accept-Language` prefers, else nb, en. "
            "`screen_hash` names what is shown, and goes back with the choice. Cacheable, and open to any origin; only "
            "the site's own pages may read it across origins."
        ),
        scope=None,
        any_origin=True,
        handler=read_notice,
        query=(
            Parameter(
                "lang",
                "The language wanted, as a BCP 47 tag.",
                {"type": "string", "pattern": "^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,7}$", "maxLength": 35},
            ),
        ),
        headers=(Parameter("If-None-Match", "The `ETag` of what is there already.", {"type": "string"}),),
        answers=(
            Answer(
                200,
                "The notice.",
                Notice,
                NOTICE,
                headers=("ETag", "Cache-Control", "Content-Language", "Vary"),
            ),
            Answer(304, "What the client has still holds.", headers=("ETag", "Cache-Control", "Vary")),
        ),
        problems=(TooManyRequests, Unavailable),
    ),
)
