"""Around everything, also around what no route takes: request ids, headers of every answer, metrics.

Litestar's own middleware runs inside its router, so that a 404 would pass it by.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from prometheus_client import Counter, Histogram

from consent_service.http.trace import PATH, REQUEST_ID, AsgiReceive, AsgiScope, AsgiSend, read_request_id
from consent_service.metrics import Metrics
from consent_service.usecases.clock import new_id

_log = logging.getLogger("consent_service.http")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Envelope:
    """An ASGI application around another one."""

    def __init__(
        self,
        app: Callable[[Any, Any, Any], Any],
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._now = now
        # Finding a metric's child by its labels costs more than counting; there are as many as routes and statuses.
        self._measures = cache(self._find_measures)

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = self._request_id(scope)
        scope[PATH] = scope["path"]

        async def send_in_envelope(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id), _NOSNIFF]
                self._measure(scope, message["status"], time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, send_in_envelope)

    def _request_id(self, scope: AsgiScope) -> bytes:
        sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        request_id = read_request_id(sent) or str(new_id(self._now())).encode()
        scope[REQUEST_ID] = request_id.decode()
        return request_id

    def _measure(self, scope: AsgiScope, status: int, seconds: float) -> None:
        """By the route's template, never by the path: that names a person."""
        route = scope.get("path_template") or "none"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        answers, latency = self._measures(method, route, status)
        answers.inc()
        latency.observe(seconds)
        if _log.isEnabledFor(logging.DEBUG):
            request_id = scope[REQUEST_ID]
            _log.debug("%s %s %d %.1f ms request_id=%s", method, route, status, seconds * 1000, request_id)

    def _find_measures(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return (
            self._metrics.requests.labels(method, route, str(status)),
            self._metrics.request_seconds.labels(method, route),
        )
