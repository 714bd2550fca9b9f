"""Around everything, also around what no route takes: request ids, headers of every answer, metrics.

Our own endpoints are answered from here; what is not theirs goes on to the framework.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

from prometheus_client import Counter, Histogram

from consent_service.http.exchange import Reply
from consent_service.http.guards import guarded, guards_of
from consent_service.http.routing import Router
from consent_service.http.streaming import stream
from consent_service.http.trace import REQUEST_ID, AsgiReceive, AsgiScope, AsgiSend, read_request_id
from consent_service.metrics import Metrics
from consent_service.usecases.clock import new_id, now

_log = logging.getLogger("consent_service.http")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Envelope:
    """An ASGI application: `router`'s endpoints, and around them and `others` what every answer has."""

    def __init__(
        self, router: Router, others: Callable[[Any, Any, Any], Any], metrics: Metrics, public_url: str
    ) -> None:
        self._router = router
        self._others = others
        self._metrics = metrics
        self._guards = guards_of(public_url)
        # Finding a metric's child by its labels costs more than counting; there are as many as routes and statuses.
        self._measures = cache(self._find_measures)
        self._prefix = str(new_id(now())).encode()[:-12]
        self._numbers = count()

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = read_request_id(headers.get(b"x-request-id")) or self._new_request_id()
        scope[REQUEST_ID] = request_id
        # As it was sent: our paths need no escapes, and what a proxy has a rule for must have no other spelling.
        found = self._router.find(scope["raw_path"].decode("latin-1"))
        if found is None:
            await self._pass_on(scope, receive, send, begun)
            return
        endpoint, scope["path_template"], scope["path_params"] = found
        reply = await endpoint.answer(scope, headers, receive)
        if reply is None:
            return
        told = [*reply.headers, (b"x-request-id", request_id), *self._guards]
        self._measure(scope, reply.status, begun)
        if not isinstance(reply, Reply):
            await stream(reply, told, scope, receive, send)
            return
        told.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": told})
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _new_request_id(self) -> bytes:
        """A UUID of version 7, the process's own but for its last part, which counts: new ones cost a system call."""
        return b"%b%012x" % (self._prefix, next(self._numbers))

    async def _pass_on(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend, begun: float) -> None:
        async def send_in_envelope(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [*message["headers"], (b"x-request-id", scope[REQUEST_ID])]
                message["headers"] = guarded(own, self._guards)
                self._measure(scope, message["status"], begun)
            await send(message)

        await self._others(scope, receive, send_in_envelope)

    def _measure(self, scope: AsgiScope, status: int, begun: float) -> None:
        """By the route's template, never by the path: that names a person."""
        seconds = time.perf_counter() - begun
        route = scope.get("path_template") or "none"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        answers, latency = self._measures(method, route, status)
        answers.inc()
        latency.observe(seconds)
        if _log.isEnabledFor(logging.DEBUG):
            request_id = scope[REQUEST_ID].decode()
            _log.debug("%s %s %d %.1f ms request_id=%s", method, route, status, seconds * 1000, request_id)

    def _find_measures(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return (
            self._metrics.requests.labels(method, route, str(status)),
            self._metrics.request_seconds.labels(method, route),
        )
