"""The stream of changes as server-sent events, for those who have no Kafka (R32)."""

from __future__ import annotations

from typing import Any

from consent_service.domain.audit import AuditAction
from consent_service.domain.errors import (
    ConsentError,
    InvalidRequest,
    NoLongerKept,
    Overloaded,
    Unavailable,
)
from consent_service.http.auth import LEEWAY_S
from consent_service.http.examples import CHANGE
from consent_service.http.exchange import Call, Streamed
from consent_service.http.operation import Answer, Operation, Parameter
from consent_service.http.services import Feed, Services
from consent_service.usecases.changes import ChangeBody

LAST_EVENT_ID = "Last-Event-ID"
MEDIA_TYPE = "text/event-stream"
_HEADER = LAST_EVENT_ID.lower().encode()
_EVENT_ID: dict[str, Any] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,4000}$"}


async def read_changes(call: Call, services: Services) -> Streamed:
    """GET /v1/changes. The header comes before the parameter: a browser repeats the address as it was."""
    feed = feed_of(services)
    header = call.headers.get(_HEADER)
    parameter = "after" if header is None else LAST_EVENT_ID
    after = call.query.get("after") if header is None else header.decode("latin-1")
    try:
        source = await feed.open(call.caller, after)
    except (InvalidRequest, NoLongerKept) as refusal:
        raise _naming(refusal, parameter) from None
    purposes = None if call.caller.purposes is None else sorted(call.caller.purposes)
    followed = AuditAction.CHANGES_FOLLOWED
    try:
        await services.trail.enter(call.caller, followed, resumed=after is not None, purposes=purposes)
    except BaseException:
        await source.close()
        raise
    seconds = call.principal.expires_at + LEEWAY_S - services.now().timestamp()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    return Streamed(200, headers, source, seconds)


def feed_of(services: Services) -> Feed:
    """Raises Unavailable where this process has none."""
    if services.feed is None:
        raise Unavailable("This service knows no Kafka: its operator sets CONSENT_KAFKA_BOOTSTRAP.")
    return services.feed


def _naming(refusal: ConsentError, parameter: str) -> ConsentError:
    refusal.parameter = parameter
    return refusal


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/changes",
        name="readChanges",
        tag="Changes",
        summary="Follow the changes as server-sent events",
        description=(
            "Each event has the name `change`, an `id` and a change in JSON as `data`. `Last-Event-ID` or `after` "
            "goes on behind that event; without either it begins now. Comments that carry the newest `id` come while "
            "it is quiet. The stream ends with its token: come back with a new one and the last id. An event can come "
            "again; `sequence` tells. Readers that take nothing for 30 seconds are cut off, and so are those that fall "
            "behind: at the end of the stream by thousands of changes, further back by not coming nearer for a "
            "minute. Every stream that is opened is audited."
        ),
        scope="changes:read",
        handler=read_changes,
        query=(Parameter("after", "Like Last-Event-ID, for clients that cannot set it.", _EVENT_ID),),
        headers=(Parameter(LAST_EVENT_ID, "The id of the last event received, or a `resume`.", _EVENT_ID),),
        answers=(
            Answer(
                200,
                "Events, as they come; this is the `data` of one.",
                ChangeBody,
                CHANGE,
                media_type=MEDIA_TYPE,
            ),
        ),
        problems=(NoLongerKept, Overloaded),
    ),
)
