"""Proof of propagation: recipients acknowledge, operators see who is late (R34)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from consent_service.domain.errors import InvalidValue, UnknownReference
from consent_service.domain.propagation import AckOutcome, Word
from consent_service.http.examples import ACKNOWLEDGEMENTS, PROPAGATION, SETTLED
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import Answer, Operation
from consent_service.http.queries import in_utc
from consent_service.http.refusals import RecipientMissing
from consent_service.http.services import Services
from consent_service.http.wire import Moment, Slug
from consent_service.usecases.propagation import Propagation


class AcknowledgementInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A word about one record; `due_at` goes with `accepted`, and only with it."""

    record_id: UUID
    outcome: AckOutcome
    at: Moment
    due_at: Moment | None = None
    acknowledgement_id: UUID | None = None


class AcknowledgementsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to a thousand words of one recipient, kept all or none."""

    recipient: Slug
    records: Annotated[list[AcknowledgementInput], Meta(min_length=1, max_length=1000)]


class SettledAnswer(msgspec.Struct, frozen=True):
    """How many duties the words have ended: 0 where all were settled before, or nothing was owed."""

    settled: int


_acknowledgements_body = msgspec.json.Decoder(AcknowledgementsBody)


async def acknowledge(call: Call, services: Services) -> Reply:
    """POST /v1/acknowledgements."""
    body = call.json(_acknowledgements_body)
    if call.caller.recipient != body.recipient:
        raise RecipientMissing(body.recipient)
    words = [
        Word(
            controller=call.controller,
            recipient=body.recipient,
            record_id=one.record_id,
            outcome=one.outcome,
            at=in_utc(one.at, pointer=f"/records/{place}/at"),
            due_at=None if one.due_at is None else in_utc(one.due_at, pointer=f"/records/{place}/due_at"),
            acknowledgement_id=one.acknowledgement_id,
        )
        for place, one in enumerate(body.records)
    ]
    return json_reply(200, SettledAnswer(await services.acknowledgements.take(words)))


async def read_propagation(call: Call, services: Services) -> Reply:
    """GET /v1/records/{record_id}/propagation."""
    return json_reply(
        200, await services.acknowledgements.propagation(call.controller, call.path_id("record_id"))
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/acknowledgements",
        name="acknowledge",
        tag="Recipients",
        summary="Confirm as a recipient that records were acted on",
        description=(
            "The token's claim `recipient` names who speaks. A word at one record also settles what was owed for "
            "earlier ones of the same person and purpose. Saying the same again is no error and changes nothing, and "
            "no Idempotency-Key is looked at. `failed` and `accepted` settle nothing; `accepted` moves the deadline."
        ),
        scope="acknowledgements:write",
        handler=acknowledge,
        body=AcknowledgementsBody,
        body_example=ACKNOWLEDGEMENTS,
        answers=(Answer(200, "All words were kept.", SettledAnswer, SETTLED),),
        problems=(UnknownReference, InvalidValue),
    ),
    Operation(
        method="GET",
        path="/v1/records/{record_id}/propagation",
        name="readPropagation",
        tag="Recipients",
        summary="Which recipients have acted on a record",
        scope="consents:read",
        handler=read_propagation,
        answers=(Answer(200, "How far the record has come.", Propagation, PROPAGATION),),
    ),
)
