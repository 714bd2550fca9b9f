"""May a purpose be pursued for a person: one question, or up to a thousand (CORE 11)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from consent_service.domain.errors import InvalidRequest, InvalidValue, Overloaded, UnknownReference
from consent_service.domain.records import Permission
from consent_service.domain.values import Reason, Status
from consent_service.http.examples import ANSWERS, PERMISSION, QUERIES
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import AS_OF, Answer, Operation
from consent_service.http.queries import in_utc, read_moment
from consent_service.http.services import Services
from consent_service.http.wire import IdentifierInput, Moment, Slug, read_identifier
from consent_service.usecases.permissions import PermissionAnswer, Query


class PermissionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A purpose, and a person by exactly one of both; an unknown identifier is a person without records."""

    purpose: Slug
    subject_id: UUID | None = None
    identifier: IdentifierInput | None = None


class PermissionsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to a thousand queries, all at one moment."""

    queries: Annotated[list[PermissionQuery], Meta(min_length=1, max_length=1000)]
    as_of: Moment | None = None


class AnsweredQuery(msgspec.Struct, frozen=True):
    """A permission, with what was asked for."""

    subject_id: UUID | None
    purpose: str
    allowed: bool
    reason: Reason
    status: Status
    version: int | None
    until: datetime | None


class PermissionsAnswer(msgspec.Struct, frozen=True):
    """Answers in the order asked."""

    answers: list[AnsweredQuery]


_permissions_body = msgspec.json.Decoder(PermissionsBody)


async def read_permission(call: Call, services: Services) -> Reply:
    """GET /v1/subjects/{subject_id}/permissions/{purpose}."""
    subject_id = call.path_id("subject_id")
    purpose = call.parameters["purpose"]
    as_of = read_moment(call.query) if call.query else None
    return json_reply(200, await services.permissions.one(call.controller, subject_id, purpose, as_of))


async def read_permissions(call: Call, services: Services) -> Reply:
    """POST /v1/permissions."""
    body = call.json(_permissions_body)
    queries = [_read_query(query, f"/queries/{place}") for place, query in enumerate(body.queries)]
    as_of = None if body.as_of is None else in_utc(body.as_of, pointer="/as_of")
    answers = await services.permissions.many(call.controller, queries, as_of)
    return json_reply(200, PermissionsAnswer([_answered(answer) for answer in answers]))


def _read_query(query: PermissionQuery, pointer: str) -> Query:
    if (query.subject_id is None) == (query.identifier is None):
        raise InvalidRequest("Name the person by `subject_id` or by `identifier`.", pointer=pointer)
    identifier = query.identifier
    return Query(
        purpose=query.purpose,
        subject_id=query.subject_id,
        identifier=None if identifier is None else read_identifier(identifier, f"{pointer}/identifier"),
    )


def _answered(answer: PermissionAnswer) -> AnsweredQuery:
    permission = answer.permission
    return AnsweredQuery(
        subject_id=answer.subject_id,
        purpose=answer.purpose,
        allowed=permission.allowed,
        reason=permission.reason,
        status=permission.status,
        version=permission.version,
        until=permission.until,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/subjects/{subject_id}/permissions/{purpose}",
        name="readPermission",
        tag="Permissions",
        summary="May this purpose be pursued for this person",
        scope="consents:read",
        handler=read_permission,
        query=(AS_OF,),
        answers=(Answer(200, "The permission and its reason.", Permission, PERMISSION),),
        problems=(InvalidValue, Overloaded),
    ),
    Operation(
        method="POST",
        path="/v1/permissions",
        name="readPermissions",
        tag="Permissions",
        summary="Up to a thousand permissions at once",
        scope="consents:read",
        handler=read_permissions,
        body=PermissionsBody,
        body_example=QUERIES,
        answers=(Answer(200, "Answers in the order asked.", PermissionsAnswer, ANSWERS),),
        problems=(InvalidValue, UnknownReference, Overloaded),
    ),
)
