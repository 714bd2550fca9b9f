"""One path of the public interface: the site, its origins and CORS, limits; then as any other (R36, STANDARDS 7.7).

Order: 429 for the network, 404 for the site, 405, 403 for the origin, then 400, 415, 413, and what follows in the
handler. Every answer about a site tells its own origins that they may read it, refusals too; nobody else is told so.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from consent_service.domain.errors import ForeignOrigin, NotFound
from consent_service.domain.values import is_slug
from consent_service.http.auth import Tokens
from consent_service.http.endpoint import Answering, read_body, refuse_body, refuse_doubled
from consent_service.http.exchange import Call, Reply, Streamed, Visit
from consent_service.http.operation import Operation
from consent_service.http.problems import Headers
from consent_service.http.queries import read_query
from consent_service.http.refusals import OtherMethods
from consent_service.http.services import Services
from consent_service.http.trace import AsgiReceive, AsgiScope, read_traceparent
from consent_service.usecases.sites import Site

#: What the paths under a site's key begin with.
SITES = "/site/"
#: A choice of a hundred purposes fits twice.
BODY_BYTES_MAX = 16 * 1024
PREFLIGHT_AGE_S = 7200

_TOLD = "consent_site_headers"
"""Where the request's own headers wait for whatever its answer is."""
_WRITING = frozenset({"POST", "PATCH"})
_SENT = b"Content-Type, Consent-Visitor"
_SENT_BY_C15T = b"Content-Type, X-Request-Id, X-C15t-Version, X-C15t-Country, X-C15t-Region"
_WITH_COOKIES = (b"access-control-allow-credentials", b"true")
_READABLE = b"ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
_VARY = (b"vary", b"Origin")


class SiteEndpoint(Answering):
    """Answers every method of one path under a site's key, and the preflights of browsers."""

    def __init__(self, operations: Sequence[Operation], services: Services, tokens: Tokens) -> None:
        super().__init__(services, tokens)
        self._operations = {operation.method: operation for operation in operations}
        self._methods = sorted([*self._operations, "OPTIONS"])
        self._from_c15t = any(operation.from_c15t for operation in operations)

    async def answer(
        self, scope: AsgiScope, headers: dict[bytes, bytes], receive: AsgiReceive
    ) -> Reply | Streamed | None:
        reply = await super().answer(scope, headers, receive)
        if not isinstance(reply, Reply):
            return reply
        told: Headers = scope.get(_TOLD, [_VARY])
        return msgspec.structs.replace(reply, headers=[*reply.headers, *told])

    async def _reply(self, scope: AsgiScope, headers: dict[bytes, bytes], receive: AsgiReceive) -> Reply:
        guards = self._services.guards
        network = guards.networks.of(scope)
        guards.sites.admit(network)
        site = await self._find(scope["path_params"]["site_key"])
        visit = _visit(scope, headers, site, network)
        is_own = visit.origin in site.origins
        if is_own and visit.origin is not None:
            scope[_TOLD] = [
                _VARY,
                (b"access-control-allow-origin", visit.origin.encode()),
                (b"access-control-expose-headers", _READABLE),
                *([_WITH_COOKIES] if self._from_c15t else []),
            ]
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method == "OPTIONS":
            return self._preflight(is_own=is_own)
        operation = self._operations.get(method)
        if operation is None:
            raise OtherMethods(self._methods)
        if not operation.any_origin:
            _check_origin(visit, headers, writes=method in _WRITING)
        if len(headers) != len(scope["headers"]):
            refuse_doubled(scope)
        body = b""
        if operation.body is not None:
            body = await read_body(headers, receive, BODY_BYTES_MAX)
        else:
            refuse_body(headers)
        raw_query = scope["query_string"]
        call = Call(
            method=method,
            path=scope["path"],
            raw_query=raw_query,
            parameters=scope["path_params"],
            ids={},
            query=read_query(raw_query, operation.query_names) if raw_query else {},
            headers=headers,
            principal=None,
            body=body,
            traceparent=read_traceparent(headers.get(b"traceparent")),
            visit=visit,
        )
        reply = await operation.handler(call, self._services)
        assert isinstance(reply, Reply), "nothing is streamed to browsers"
        return reply

    async def _find(self, site_key: str) -> Site:
        if not is_slug(site_key):
            raise NotFound("There is no site of this key.")
        return await self._services.sites.find(site_key)

    def _preflight(self, *, is_own: bool) -> Reply:
        """What a page of the site may send (CORS). A foreign one is told nothing, so its browser sends nothing."""
        headers = [(b"allow", ", ".join(self._methods).encode())]
        if is_own:
            headers += [
                (b"access-control-allow-methods", ", ".join(self._operations).encode()),
                (b"access-control-allow-headers", _SENT_BY_C15T if self._from_c15t else _SENT),
                (b"access-control-max-age", b"%d" % PREFLIGHT_AGE_S),
            ]
        return Reply(204, b"", headers)


def _visit(scope: AsgiScope, headers: dict[bytes, bytes], site: Site, network: bytes) -> Visit:
    origin = headers.get(b"origin")
    # Only this very value counts; of several headers one is enough (GPC).
    has_signal = any(name == b"sec-gpc" and value == b"1" for name, value in scope["headers"])
    return Visit(
        site=site,
        network=network,
        # Compared byte by byte with what browsers send; what is no ASCII is nobody's origin.
        origin=None if origin is None else origin.decode("ascii", "replace"),
        has_signal=has_signal,
    )


def _check_origin(visit: Visit, headers: dict[bytes, bytes], *, writes: bool) -> None:
    """Raises ForeignOrigin (R36). A reading without `Origin` comes from the same origin, or from no browser at all."""
    if visit.origin is None:
        if writes and headers.get(b"sec-fetch-site") != b"same-origin":
            raise ForeignOrigin("A browser says where it is: send `Origin`, one of the site's origins.")
    elif visit.origin not in visit.site.origins:
        raise ForeignOrigin("The `Origin` is not one of the site's origins.")
