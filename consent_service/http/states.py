"""A snapshot of all states, with the place from which the stream goes on (R32)."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

import msgspec

from consent_service.domain.values import is_slug
from consent_service.http.changes import feed_of
from consent_service.http.examples import STATES
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import LIMIT, Answer, Operation, Parameter
from consent_service.http.queries import read_cursor, read_limit, refuse_cursor, write_cursor
from consent_service.http.services import Services
from consent_service.usecases.states import BEGINNING, StateItem

#: It carries an event id.
_CURSOR_LENGTH_MAX = 6000


class StatesAnswer(msgspec.Struct, frozen=True):
    """States in the order of subject and purpose. `resume`, the same on every page, is where `/v1/changes` goes on."""

    items: list[StateItem]
    next: str | None
    resume: str


async def read_states(call: Call, services: Services) -> Reply:
    """GET /v1/states.

    Kafka's ends are taken before the first page is read and carried along: what a page does not know yet is published
    behind them, so it comes on the stream.
    """
    feed, limit = feed_of(services), read_limit(call.query)
    after, export_id, resume = _read_cursor(call) or (BEGINNING, None, await feed.newest(call.controller))
    page = await services.states.page(call.caller, limit=limit, after=after, export_id=export_id)
    cursor = None
    if page.next is not None:
        subject_id, purpose = page.next
        cursor = write_cursor(f"{subject_id}/{purpose}/{page.export_id}/{resume}")
    return json_reply(200, StatesAnswer(page.items, cursor, resume))


def _read_cursor(call: Call) -> tuple[tuple[UUID, str], UUID, str] | None:
    """The pair to go on behind, the export, and where the stream goes on; None at the beginning."""
    cursor = read_cursor(call.query, _CURSOR_LENGTH_MAX)
    if cursor is None:
        return None
    with suppress(ValueError):
        subject, purpose, export, resume = cursor.split("/")
        subject_id, export_id = UUID(subject), UUID(export)
        if f"{subject_id}/{export_id}" == f"{subject}/{export}" and is_slug(purpose) and resume:
            return (subject_id, purpose), export_id, resume
    raise refuse_cursor()


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/states",
        name="readStates",
        tag="Changes",
        summary="A snapshot of all states, page by page",
        description=(
            "Read all pages, then follow `/v1/changes` from `resume`. What changes meanwhile comes there, perhaps "
            "again: an event whose (`ledger_epoch`, `sequence`) is not above the state's is known already. An "
            "export, all its pages together, is audited once."
        ),
        scope="changes:read",
        handler=read_states,
        query=(
            LIMIT,
            Parameter(
                "after",
                "The `next` of an earlier answer.",
                {"type": "string", "pattern": f"^[A-Za-z0-9_-]{{1,{_CURSOR_LENGTH_MAX}}}$"},
            ),
        ),
        answers=(Answer(200, "A page of states.", StatesAnswer, STATES),),
    ),
)
