"""A person's history, and one record with its evidence (CORE 9)."""

from __future__ import annotations

import re

import msgspec

from consent_service.domain.errors import Erased, InvalidRequest, InvalidValue
from consent_service.domain.values import SLUG, is_slug
from consent_service.http.examples import RECORD_PAGE, RECORD_WITH_EVIDENCE
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import AFTER, AS_OF, LIMIT, Answer, Operation, Parameter
from consent_service.http.queries import read_cursor, read_limit, read_moment, refuse_cursor, write_cursor
from consent_service.http.services import Services
from consent_service.http.wire import RecordBody, RecordWithEvidence, view_body

_SEQUENCE = re.compile(r"[1-9][0-9]{0,17}")


class RecordPage(msgspec.Struct, frozen=True):
    """Records, oldest first; `next` is null at the end."""

    items: list[RecordBody]
    next: str | None


async def read_history(call: Call, services: Services) -> Reply:
    """GET /v1/subjects/{subject_id}/records."""
    subject_id = call.path_id("subject_id")
    purpose = call.query.get("purpose")
    if purpose is not None and not is_slug(purpose):
        raise InvalidRequest("This is no purpose's name.", parameter="purpose")
    page = await services.records.history(
        call.caller,
        subject_id,
        purpose=purpose,
        as_of=read_moment(call.query),
        limit=read_limit(call.query),
        after=_read_sequence(call),
    )
    cursor = None if page.next is None else write_cursor(str(page.next))
    return json_reply(200, RecordPage([view_body(view) for view in page.items], cursor))


async def read_record(call: Call, services: Services) -> Reply:
    """GET /v1/records/{record_id}."""
    view = await services.records.one(call.caller, call.path_id("record_id"))
    body = view_body(view)
    fields = {name: getattr(body, name) for name in RecordBody.__struct_fields__}
    evidence = msgspec.Raw(b"null" if view.evidence is None else view.evidence)
    return json_reply(200, RecordWithEvidence(**fields, evidence=evidence))


def _read_sequence(call: Call) -> int:
    cursor = read_cursor(call.query)
    if cursor is None:
        return 0
    if _SEQUENCE.fullmatch(cursor) is None:
        raise refuse_cursor()
    return int(cursor)


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/subjects/{subject_id}/records",
        name="readHistory",
        tag="Records",
        summary="A person's history, oldest first; every reading is audited",
        scope="consents:read",
        handler=read_history,
        query=(
            Parameter(
                "purpose",
                "Only the records of this purpose.",
                {"type": "string", "pattern": f"^{SLUG}$", "maxLength": 64},
            ),
            AS_OF,
            LIMIT,
            AFTER,
        ),
        answers=(Answer(200, "A page of records.", RecordPage, RECORD_PAGE),),
        problems=(InvalidValue, Erased),
    ),
    Operation(
        method="GET",
        path="/v1/records/{record_id}",
        name="readRecord",
        tag="Records",
        summary="One record with its evidence; every reading is audited",
        scope="consents:read",
        handler=read_record,
        answers=(Answer(200, "The record.", RecordWithEvidence, RECORD_WITH_EVIDENCE),),
    ),
)
