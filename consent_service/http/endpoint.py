"""One path's operations as a raw ASGI route: the order of refusals, the body's limits, what becomes of faults.

Order (CORE 12): method, 401, 403, then 415, 413, and 400 with what follows in the handler. Raw, because a
typed handler's own parsing takes `"1"` for 1 and a doubled member for one, and costs much of the throughput.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from uuid import UUID

from consent_service.domain.errors import (
    ConsentError,
    InvalidRequest,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from consent_service.domain.values import is_slug
from consent_service.http.auth import Principal, Tokens
from consent_service.http.exchange import Call, Reply, Streamed, read_path_id
from consent_service.http.idempotency import HEADER as IDEMPOTENCY_KEY
from consent_service.http.limits import limit_reached
from consent_service.http.operation import Operation
from consent_service.http.problems import problem_body, problem_headers, status_of
from consent_service.http.queries import read_query
from consent_service.http.reasons import HEADER as REASON
from consent_service.http.reasons import read_reason
from consent_service.http.refusals import OtherMethods, TokenRefused
from consent_service.http.services import Services
from consent_service.http.trace import REQUEST_ID, AsgiReceive, AsgiScope, read_traceparent

_log = logging.getLogger("consent_service.http")

#: Who a browser speaks for.
VISITOR = b"consent-visitor"
#: Headers that decide something: two of them would let two readers see two requests.
_ONCE = frozenset(
    {
        *(b"content-type", b"content-length", b"if-match", b"last-event-id", IDEMPOTENCY_KEY, REASON),
        *(b"origin", VISITOR),
    }
)
_LENGTH_DIGITS_MAX = 18
_STOPPED = (
    "The service stopped before this was done; whether it was is not known. Ask, or send the same again."
)


class Disconnected(Exception):
    """The client went away before its request was complete."""


class Answering(ABC):
    """Always answers: with a reply, a refusal as a problem, or 500 that tells nothing."""

    def __init__(self, services: Services, tokens: Tokens) -> None:
        self._services = services
        self._tokens = tokens

    async def answer(
        self, scope: AsgiScope, headers: dict[bytes, bytes], receive: AsgiReceive
    ) -> Reply | Streamed | None:
        """`headers` are the scope's by name; one that came twice is there once. None: nobody is there any more."""
        try:
            return await self._reply(scope, headers, receive)
        except Disconnected:
            return None
        except asyncio.CancelledError:
            # The service stops and its patience is over; without an answer the server would send a bare 500.
            return problem_reply(Unavailable(_STOPPED))
        except ConsentError as refusal:
            return problem_reply(refusal)
        except Exception as error:  # noqa: BLE001 (every caller gets an answer, whatever broke)
            log_fault(error, scope)
            return problem_reply(internal())

    @abstractmethod
    async def _reply(
        self, scope: AsgiScope, headers: dict[bytes, bytes], receive: AsgiReceive
    ) -> Reply | Streamed: ...

    async def _principal(self, scope: AsgiScope, headers: dict[bytes, bytes]) -> Principal:
        doubled = len(headers) != len(scope["headers"])
        if doubled and sum(name == b"authorization" for name, _ in scope["headers"]) > 1:
            raise TokenRefused("There is more than one Authorization header.")
        authorization = headers.get(b"authorization")
        known = self._tokens.known(authorization)
        if known is not None:
            return known
        assert authorization is not None
        return await self._verified(scope, authorization)

    async def _verified(self, scope: AsgiScope, authorization: bytes) -> Principal:
        """Verifying costs; whoever sends many that are not valid is not listened to for a while.

        Others of that network go on with what is in use: tokens that are known, API keys that are familiar.
        """
        guards = self._services.guards
        network, bad_tokens = guards.networks.of(scope), guards.bad_tokens
        counted = bad_tokens.look(network)
        if not counted.allowed and not self._tokens.is_familiar(authorization):
            self._services.metrics.limited.labels(counted.policy).inc()
            raise limit_reached(counted)
        try:
            return await self._tokens.verify(authorization)
        except TokenRefused:
            bad_tokens.take(network)
            raise


def _read_path(parameters: Mapping[str, str], operation: Operation) -> dict[str, UUID]:
    """The ids of the path. Raises NotFound where its form tells that nothing can stand there (CORE 12)."""
    ids: dict[str, UUID] = {}
    for name, text in parameters.items():
        if name.endswith("_id"):
            ids[name] = read_path_id(name, text)
        elif name in operation.path_enums and text not in operation.path_enums[name]:
            known = ", ".join(operation.path_enums[name])
            raise NotFound(f"There is no such {name}; there are: {known}.")
        elif name in ("purpose", "recipient") and not is_slug(text):
            raise NotFound(f"The controller has no such {name}.")
    return ids


class Nowhere(Answering):
    """Paths that nothing stands under: 404, but only for those who may ask (CORE 12)."""

    async def _reply(self, scope: AsgiScope, headers: dict[bytes, bytes], receive: AsgiReceive) -> Reply:
        await self._principal(scope, headers)
        raise NotFound("There is nothing at this path; /schema lists what there is.")


class Endpoint(Answering):
    """Answers every method of one path that systems call."""

    def __init__(self, operations: Sequence[Operation], services: Services, tokens: Tokens) -> None:
        super().__init__(services, tokens)
        self._operations = {operation.method: operation for operation in operations}
        self._queries = {operation.method: operation.query_names for operation in operations}
        self._body_bytes_max = services.limits.body_bytes_max

    async def _reply(
        self, scope: AsgiScope, headers: dict[bytes, bytes], receive: AsgiReceive
    ) -> Reply | Streamed:
        # HEAD is GET whose body is left out at the end (RFC 9110 section 9.3.2).
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        operation = self._operations.get(method)
        if operation is None:
            raise OtherMethods(self._operations)
        principal = None
        if operation.scope is not None:
            principal = await self._principal(scope, headers)
            principal.check_scope(operation.scope)
        parameters = scope["path_params"]
        ids = _read_path(parameters, operation)
        if len(headers) != len(scope["headers"]):
            refuse_doubled(scope)
        body = b""
        if operation.body is not None:
            body = await read_body(headers, receive, self._body_bytes_max)
        else:
            refuse_body(headers)
        raw_query = scope["query_string"]
        call = Call(
            method=method,
            path=scope["path"],
            raw_query=raw_query,
            parameters=parameters,
            ids=ids,
            query=read_query(raw_query, self._queries[method]) if raw_query else {},
            headers=headers,
            principal=principal,
            body=body,
            traceparent=read_traceparent(headers.get(b"traceparent")),
            reason=None if principal is None else read_reason(headers.get(REASON)),
        )
        return await operation.handler(call, self._services)


async def read_body(headers: dict[bytes, bytes], receive: AsgiReceive, bytes_max: int) -> bytes:
    """Raises UnsupportedMediaType, then TooLarge: by the announced length, or else by what comes."""
    kind = headers.get(b"content-type")
    if kind is not None:
        _check_kind(kind, headers.get(b"content-encoding"))
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit() or len(announced) > _LENGTH_DIGITS_MAX or int(announced) > bytes_max:
        raise _too_large(bytes_max)
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        if not message.get("more_body", False):
            break
    if body and kind is None:
        raise _not_json()
    return body


def refuse_body(headers: dict[bytes, bytes]) -> None:
    """Nobody would read it, so what it is would depend on the reader (RFC 9110 section 9.3.1)."""
    if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
        raise InvalidRequest("This call takes no body.")


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(f"The body is larger than {bytes_max} bytes.")


def _check_kind(content_type: bytes, content_encoding: bytes | None) -> None:
    if content_encoding not in (None, b"identity"):
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")
    if content_type == b"application/json":
        return
    kind, _, rest = content_type.partition(b";")
    parameter = rest.strip().lower().replace(b'"', b"")
    if kind.strip().lower() != b"application/json" or parameter not in (b"", b"charset=utf-8"):
        raise _not_json()


def _not_json() -> UnsupportedMediaType:
    return UnsupportedMediaType("Send `Content-Type: application/json`, in UTF-8.")


def refuse_doubled(scope: AsgiScope) -> None:
    seen: set[bytes] = set()
    for name, _ in scope["headers"]:
        if name in _ONCE and name in seen:
            raise InvalidRequest("The header is given twice.", parameter=name.decode().title())
        seen.add(name)


def problem_reply(refusal: ConsentError) -> Reply:
    return Reply(status_of(refusal), problem_body(refusal), problem_headers(refusal))


def internal() -> ConsentError:
    """What a caller learns of a fault of ours: that there was one."""
    return ConsentError("The service failed; its log tells more under this answer's X-Request-Id.")


def log_fault(error: BaseException, scope: AsgiScope) -> None:
    """Where it happened and what kind, without the message: a driver's may quote a person's data."""
    _log.error(
        "request failed: %s %s request_id=%s %s\n%s",
        scope.get("method", "-"),
        scope.get("path_template", "-"),
        scope.get(REQUEST_ID, b"-").decode(),
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
