"""For operators: is the process alive, can it answer, and its figures (API face 4, R25)."""

from __future__ import annotations

from typing import Literal

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consent_service.domain.errors import Unavailable
from consent_service.http.exchange import Call, Reply, json_reply
from consent_service.http.operation import Answer, Operation
from consent_service.http.services import Services


class Alive(msgspec.Struct, frozen=True):
    status: Literal["alive"] = "alive"


class Ready(msgspec.Struct, frozen=True):
    """`broker` is null where this process has no relay. `degraded`: events wait until the broker is back."""

    status: Literal["ready", "degraded"]
    database: bool
    broker: bool | None


async def read_alive(call: Call, services: Services) -> Reply:
    """GET /healthz: the process answers; nothing else is asked."""
    return json_reply(200, Alive())


async def read_ready(call: Call, services: Services) -> Reply:
    """GET /readyz. Raises Unavailable while the database does not answer."""
    if not await services.health.database():
        raise Unavailable("The database does not answer now.")
    broker = await services.health.broker()
    status: Literal["ready", "degraded"] = "degraded" if broker is False else "ready"
    return json_reply(200, Ready(status=status, database=True, broker=broker))


async def read_metrics(call: Call, services: Services) -> Reply:
    """GET /metrics in Prometheus' text format."""
    body = generate_latest(services.metrics.registry)
    return Reply(
        200, body, [(b"content-type", CONTENT_TYPE_LATEST.encode()), (b"cache-control", b"no-store")]
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        name="readAlive",
        tag="Operators",
        summary="Is the process alive",
        scope=None,
        handler=read_alive,
        answers=(Answer(200, "It is.", Alive, {"status": "alive"}),),
    ),
    Operation(
        method="GET",
        path="/readyz",
        name="readReady",
        tag="Operators",
        summary="Can the service answer",
        description="Ready means that the database answers; a broker that is away shows as `degraded`.",
        scope=None,
        handler=read_ready,
        answers=(Answer(200, "It can.", Ready, {"status": "ready", "database": True, "broker": True}),),
        problems=(Unavailable,),
    ),
    Operation(
        method="GET",
        path="/metrics",
        name="readMetrics",
        tag="Operators",
        summary="Figures for Prometheus",
        scope=None,
        handler=read_metrics,
        answers=(Answer(200, "Prometheus' text format.", str, media_type="text/plain"),),
    ),
)
