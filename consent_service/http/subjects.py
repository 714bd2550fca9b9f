"""Persons: found or made by identifiers, what stands for them, and their identifiers (R19, R35)."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from consent_service.domain.errors import (
    ConflictingIdentifiers,
    Erased,
    IdempotencyKeyReuse,
    IdentifierTaken,
    InvalidValue,
    Overloaded,
)
from consent_service.http.examples import (
    FOUND,
    IDENTIFIER_PAGE,
    IDENTIFIERS,
    LINKED,
    SUBJECT,
    SUBJECT_STATE,
)
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import AFTER, AS_OF, IDEMPOTENCY_KEY, LIMIT, Answer, Operation
from consent_service.http.queries import read_cursor, read_limit, read_moment, refuse_cursor, write_cursor
from consent_service.http.services import Services
from consent_service.http.wire import IdentifierInput, read_identifiers
from consent_service.usecases.subjects import ConsentItem, LinkedIdentifier
from consent_service.usecases.submissions import SubjectReference, Submission


class IdentifiersBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """1 to 10 identifiers of one person."""

    identifiers: Annotated[list[IdentifierInput], Meta(min_length=1, max_length=10)]


class SubjectAnswer(msgspec.Struct, frozen=True):
    subject_id: UUID
    created: bool


class FoundSubject(msgspec.Struct, frozen=True):
    subject_id: UUID


class SubjectState(msgspec.Struct, frozen=True):
    """What stands for each purpose that has a record."""

    subject_id: UUID
    consents: list[ConsentItem]


class IdentifierName(msgspec.Struct, frozen=True):
    """A linked identifier without its value."""

    identifier_id: UUID
    type: str


class LinkedAnswer(msgspec.Struct, frozen=True):
    items: list[IdentifierName]


class IdentifierPageBody(msgspec.Struct, frozen=True):
    """Identifiers in clear, in the order of linking; `next` is null at the end."""

    items: list[LinkedIdentifier]
    next: str | None


_identifiers_body = msgspec.json.Decoder(IdentifiersBody)


async def find_or_make(call: Call, services: Services) -> Reply:
    """POST /v1/subjects: 201 where a person was made, 200 where one was found."""
    body = call.json(_identifiers_body)
    reference = SubjectReference(identifiers=read_identifiers(body.identifiers), pointer="/identifiers")
    outcome = await services.ledger.submit(
        Submission(
            caller=call.caller,
            reference=reference,
            idempotency=call.idempotency(),
            traceparent=call.traceparent,
        )
    )
    answer = SubjectAnswer(outcome.subject_id, outcome.created)
    return json_reply(201 if outcome.created else 200, answer, replayed=outcome.replayed)


async def look_up(call: Call, services: Services) -> Reply:
    """POST /v1/subjects/lookup: finds, never makes."""
    body = call.json(_identifiers_body)
    found = await services.subjects.lookup(call.controller, read_identifiers(body.identifiers))
    return json_reply(200, FoundSubject(found))


async def read_subject(call: Call, services: Services) -> Reply:
    """GET /v1/subjects/{subject_id}."""
    subject_id = call.path_id("subject_id")
    consents = await services.subjects.consents(call.caller, subject_id, read_moment(call.query))
    return json_reply(200, SubjectState(subject_id, consents))


async def link_identifiers(call: Call, services: Services) -> Reply:
    """POST /v1/subjects/{subject_id}/identifiers: 201 where something was linked, 200 where all were."""
    subject_id = call.path_id("subject_id")
    body = call.json(_identifiers_body)
    outcome = await services.ledger.submit(
        Submission(
            caller=call.caller,
            reference=SubjectReference(subject_id=subject_id),
            link=read_identifiers(body.identifiers, together=True),
            idempotency=call.idempotency(),
        )
    )
    items = [IdentifierName(one.identifier_id, one.type) for one in outcome.linked]
    return json_reply(201 if outcome.appended else 200, LinkedAnswer(items), replayed=outcome.replayed)


async def read_identifiers_in_clear(call: Call, services: Services) -> Reply:
    """GET /v1/subjects/{subject_id}/identifiers: audited."""
    subject_id = call.path_id("subject_id")
    page = await services.subjects.identifiers(
        call.caller, subject_id, limit=read_limit(call.query), after=_read_identifier_id(call)
    )
    cursor = None if page.next is None else write_cursor(str(page.next))
    return json_reply(200, IdentifierPageBody(page.items, cursor))


async def unlink_identifier(call: Call, services: Services) -> Reply:
    """DELETE /v1/subjects/{subject_id}/identifiers/{identifier_id}."""
    subject_id, identifier_id = call.path_id("subject_id"), call.path_id("identifier_id")
    await services.subjects.unlink(call.caller, subject_id, identifier_id)
    return Reply(204, b"", [(b"cache-control", b"no-store")])


def _read_identifier_id(call: Call) -> UUID | None:
    cursor = read_cursor(call.query)
    if cursor is None:
        return None
    with suppress(ValueError):
        identifier_id = UUID(cursor)
        if str(identifier_id) == cursor:
            return identifier_id
    raise refuse_cursor()


_REPLAYED = ("Idempotency-Replayed",)

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/subjects",
        name="findOrMakeSubject",
        tag="Subjects",
        summary="Find a person by identifiers, or make one",
        description="Identifiers that nobody has yet are linked to the person found. A visitor stands alone.",
        scope="subjects:write",
        handler=find_or_make,
        body=IdentifiersBody,
        body_example=IDENTIFIERS,
        headers=(IDEMPOTENCY_KEY,),
        answers=(
            Answer(201, "A new person.", SubjectAnswer, SUBJECT, headers=_REPLAYED),
            Answer(200, "Somebody known.", SubjectAnswer, {**SUBJECT, "created": False}, headers=_REPLAYED),
        ),
        problems=(InvalidValue, ConflictingIdentifiers, IdempotencyKeyReuse, Erased, Overloaded),
    ),
    Operation(
        method="POST",
        path="/v1/subjects/lookup",
        name="lookUpSubject",
        tag="Subjects",
        summary="Find a person by identifiers, never make one",
        scope="subjects:read",
        handler=look_up,
        body=IdentifiersBody,
        body_example=IDENTIFIERS,
        answers=(Answer(200, "Somebody known.", FoundSubject, FOUND),),
        problems=(InvalidValue, ConflictingIdentifiers),
    ),
    Operation(
        method="GET",
        path="/v1/subjects/{subject_id}",
        name="readSubject",
        tag="Subjects",
        summary="What stands for a person, purpose by purpose",
        description="With `as_of`, what was known then; reading that is audited.",
        scope="consents:read",
        handler=read_subject,
        query=(AS_OF,),
        answers=(Answer(200, "The purposes that have a record.", SubjectState, SUBJECT_STATE),),
        problems=(InvalidValue,),
    ),
    Operation(
        method="POST",
        path="/v1/subjects/{subject_id}/identifiers",
        name="linkIdentifiers",
        tag="Subjects",
        summary="Link identifiers to a person",
        scope="subjects:write",
        handler=link_identifiers,
        body=IdentifiersBody,
        body_example=IDENTIFIERS,
        headers=(IDEMPOTENCY_KEY,),
        answers=(
            Answer(201, "At least one is new.", LinkedAnswer, LINKED, headers=_REPLAYED),
            Answer(200, "All were linked already.", LinkedAnswer, LINKED, headers=_REPLAYED),
        ),
        problems=(InvalidValue, IdentifierTaken, IdempotencyKeyReuse, Erased),
    ),
    Operation(
        method="GET",
        path="/v1/subjects/{subject_id}/identifiers",
        name="readIdentifiers",
        tag="Subjects",
        summary="A person's identifiers in clear; every reading is audited",
        scope="identifiers:read",
        handler=read_identifiers_in_clear,
        query=(LIMIT, AFTER),
        answers=(Answer(200, "A page of identifiers.", IdentifierPageBody, IDENTIFIER_PAGE),),
        problems=(Erased,),
    ),
    Operation(
        method="DELETE",
        path="/v1/subjects/{subject_id}/identifiers/{identifier_id}",
        name="unlinkIdentifier",
        tag="Subjects",
        summary="Remove an identifier from a person",
        scope="subjects:write",
        handler=unlink_identifier,
        answers=(Answer(204, "Removed."),),
        problems=(Erased,),
    ),
)
