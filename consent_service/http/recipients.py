"""Which recipients are late, and with what (R34)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.values import format_time, is_slug
from consent_service.http.examples import PENDING, RECIPIENTS
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import AFTER, LIMIT, Answer, Operation
from consent_service.http.queries import read_cursor, read_limit, refuse_cursor, write_cursor
from consent_service.http.refusals import RecipientMissing
from consent_service.http.services import Services
from consent_service.usecases.recipients import BEGINNING, PendingItem, RecipientItem


class RecipientPageBody(msgspec.Struct, frozen=True):
    """Recipients in the order of their names; `next` is null at the end."""

    items: list[RecipientItem]
    next: str | None


class PendingPageBody(msgspec.Struct, frozen=True):
    """What a recipient owes, oldest first; `next` is null at the end."""

    items: list[PendingItem]
    next: str | None


async def read_recipients(call: Call, services: Services) -> Reply:
    """GET /v1/recipients."""
    after = read_cursor(call.query)
    if after is not None and not is_slug(after):
        raise refuse_cursor()
    page = await services.recipients.page(call.caller, limit=read_limit(call.query), after=after or "")
    return json_reply(
        200, RecipientPageBody(page.items, None if page.next is None else write_cursor(page.next))
    )


async def read_pending(call: Call, services: Services) -> Reply:
    """GET /v1/recipients/{recipient}/pending."""
    recipient = call.parameters["recipient"]
    if call.caller.recipient not in (None, recipient):
        raise RecipientMissing(recipient)
    page = await services.recipients.pending(
        call.caller, recipient, limit=read_limit(call.query), after=_read_place(call)
    )
    return json_reply(200, PendingPageBody(page.items, None if page.next is None else _cursor(*page.next)))


def _cursor(owed_since: datetime, subject_id: UUID, sequence: int) -> str:
    return write_cursor(f"{format_time(owed_since)}/{subject_id}/{sequence}")


def _read_place(call: Call) -> tuple[datetime, UUID, int]:
    cursor = read_cursor(call.query)
    if cursor is None:
        return BEGINNING
    with suppress(ValueError, OverflowError, msgspec.ValidationError):
        at, subject, sequence = cursor.split("/")
        place = msgspec.convert(at, datetime), UUID(subject), int(sequence)
        if 0 < place[2] < 1 << 63 and _cursor(*place) == call.query["after"]:
            return place
    raise refuse_cursor()


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/recipients",
        name="readRecipients",
        tag="Recipients",
        summary="Which recipients are late, and by how much",
        description="With a token whose claim `recipient` names one, that one alone.",
        scope="recipients:read",
        handler=read_recipients,
        query=(LIMIT, AFTER),
        answers=(Answer(200, "A page of recipients.", RecipientPageBody, RECIPIENTS),),
    ),
    Operation(
        method="GET",
        path="/v1/recipients/{recipient}/pending",
        name="readPending",
        tag="Recipients",
        summary="What a recipient has not acknowledged, oldest first",
        description="A token whose claim `recipient` names one, or whose claim `purposes` lists some, sees no others.",
        scope="recipients:read",
        handler=read_pending,
        query=(LIMIT, AFTER),
        answers=(Answer(200, "A page of records.", PendingPageBody, PENDING),),
    ),
)
