"""The catalogue: purposes, their versions and drafts (R4, CORE 5, 15)."""

from __future__ import annotations

import re

import msgspec

from consent_service.domain.catalogue import PurposeInput
from consent_service.domain.errors import (
    InvalidRequest,
    InvalidValue,
    MustBeMaterial,
    NotFound,
    VersionMismatch,
)
from consent_service.domain.values import is_slug
from consent_service.http.examples import PURPOSE_INPUT
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import AFTER, LIMIT, Answer, Operation, Parameter
from consent_service.http.queries import read_cursor, read_limit, refuse_cursor, write_cursor
from consent_service.http.services import Services
from consent_service.usecases.catalogue_items import PurposeItem

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_IF_MATCH = re.compile(rb'"([1-9][0-9]{0,8})"')


class PurposePageBody(msgspec.Struct, frozen=True):
    """Purposes by name, each as its current version; `next` is null at the end."""

    items: tuple[PurposeItem, ...]
    next: str | None


_purpose_body = msgspec.json.Decoder(PurposeInput)


async def list_purposes(call: Call, services: Services) -> Reply:
    """GET /v1/purposes."""
    after = read_cursor(call.query)
    if after is not None and not is_slug(after):
        raise refuse_cursor()
    page = await services.catalogue.listing(call.controller, read_limit(call.query), after)
    cursor = None if page.next is None else write_cursor(page.next)
    return json_reply(200, PurposePageBody(page.items, cursor))


async def read_purpose(call: Call, services: Services) -> Reply:
    """GET /v1/purposes/{purpose}."""
    return _item_reply(200, await services.catalogue.item(call.controller, call.parameters["purpose"]))


async def read_version(call: Call, services: Services) -> Reply:
    """GET /v1/purposes/{purpose}/versions/{version}."""
    number = call.parameters["version"]
    if _NUMBER.fullmatch(number) is None:
        raise NotFound("A version is a number, counted from 1.")
    item = await services.catalogue.version(call.controller, call.parameters["purpose"], int(number))
    return _item_reply(200, item)


async def read_draft(call: Call, services: Services) -> Reply:
    """GET /v1/purposes/{purpose}/draft."""
    return _item_reply(200, await services.catalogue.draft(call.controller, call.parameters["purpose"]))


async def put_purpose(call: Call, services: Services) -> Reply:
    """PUT /v1/purposes/{purpose}: publishes, or with `?draft=true` keeps a draft."""
    asked = call.json(_purpose_body)
    purpose, if_match = call.parameters["purpose"], _read_if_match(call)
    if _is_draft(call):
        published = await services.catalogue.save_draft(call.caller, purpose, asked, if_match)
    else:
        published = await services.catalogue.publish(call.caller, purpose, asked, if_match, call.traceparent)
    return _item_reply(201 if published.created else 200, published.item)


def _item_reply(status: int, item: PurposeItem) -> Reply:
    """The item; a version's number is its ETag, a draft has none."""
    if item.version is None:
        return json_reply(status, item)
    return json_reply(status, item, (b"etag", b'"%d"' % item.version))


def _read_if_match(call: Call) -> int | None:
    header = call.headers.get(b"if-match")
    if header is None:
        return None
    match = _IF_MATCH.fullmatch(header.strip())
    if match is None:
        raise InvalidRequest(
            'An If-Match is the latest version\'s number in quotes, like "3".', parameter="If-Match"
        )
    return int(match[1])


def _is_draft(call: Call) -> bool:
    match call.query.get("draft", "false"):
        case "true":
            return True
        case "false":
            return False
        case _:
            raise InvalidRequest("`draft` is true or false.", parameter="draft")


_ITEM_EXAMPLE = {
    "legal_bases": ["consent"],
    "notices": PURPOSE_INPUT["notices"],
    "recipients": PURPOSE_INPUT["recipients"],
    "renew_after": "P3Y",
    "confirmation": "double_opt_in",
    "purpose": "nyhetsbrev",
    "version": 2,
    "latest_version": 2,
    "status": "active",
    "change": "material",
    "effective_from": "2026-03-01T00:00:00Z",
    "published_at": "2026-02-20T08:00:00Z",
    "content_hash": "6f1f2a0c9d4b8e7a5c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b",
    "notice_hashes": {},
    "terms": [
        {
            "version": 2,
            "effective_from": "2026-03-01T00:00:00Z",
            "change": "material",
            "legal_bases": ["consent"],
            "default_allowed": False,
            "default_reason": "no_record",
            "oldest_valid_version": 2,
            "retired": False,
            "renew_after": "P3Y",
            "confirmation": "double_opt_in",
            "recipients": [{"slug": "brevo", "deadline": "PT15M"}],
        }
    ],
}
_ETAG = ("ETag",)
_IF_MATCH_HEADER = Parameter(
    "If-Match",
    'The latest version\'s number in quotes, like "3": 412 if somebody published meanwhile.',
    {"type": "string", "pattern": '^"[1-9][0-9]{0,8}"$'},
)

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/purposes",
        name="listPurposes",
        tag="Catalogue",
        summary="All purposes, each as its current version",
        scope="catalogue:read",
        handler=list_purposes,
        query=(LIMIT, AFTER),
        answers=(
            Answer(200, "A page of purposes.", PurposePageBody, {"items": [_ITEM_EXAMPLE], "next": None}),
        ),
    ),
    Operation(
        method="GET",
        path="/v1/purposes/{purpose}",
        name="readPurpose",
        tag="Catalogue",
        summary="The version in effect",
        scope="catalogue:read",
        handler=read_purpose,
        answers=(Answer(200, "The version in effect.", PurposeItem, _ITEM_EXAMPLE, headers=_ETAG),),
    ),
    Operation(
        method="PUT",
        path="/v1/purposes/{purpose}",
        name="putPurpose",
        tag="Catalogue",
        summary="Publish the next version, or keep a draft",
        scope="catalogue:write",
        handler=put_purpose,
        body=PurposeInput,
        body_example=PURPOSE_INPUT,
        query=(
            Parameter(
                "draft",
                "Keep as the purpose's draft instead of publishing.",
                {"type": "string", "enum": ["true", "false"], "default": "false"},
            ),
        ),
        headers=(_IF_MATCH_HEADER,),
        answers=(
            Answer(201, "The new version.", PurposeItem, _ITEM_EXAMPLE, headers=_ETAG),
            Answer(200, "Nothing differs: the latest version.", PurposeItem, _ITEM_EXAMPLE, headers=_ETAG),
        ),
        problems=(InvalidValue, MustBeMaterial, VersionMismatch),
    ),
    Operation(
        method="GET",
        path="/v1/purposes/{purpose}/versions/{version}",
        name="readPurposeVersion",
        tag="Catalogue",
        summary="Any version ever published",
        scope="catalogue:read",
        handler=read_version,
        answers=(Answer(200, "The version.", PurposeItem, _ITEM_EXAMPLE, headers=_ETAG),),
    ),
    Operation(
        method="GET",
        path="/v1/purposes/{purpose}/draft",
        name="readPurposeDraft",
        tag="Catalogue",
        summary="The purpose's draft",
        scope="catalogue:read",
        handler=read_draft,
        answers=(
            Answer(
                200,
                "The draft.",
                PurposeItem,
                {**_ITEM_EXAMPLE, "version": None, "latest_version": None, "status": "draft", "terms": []},
            ),
        ),
    ),
)
