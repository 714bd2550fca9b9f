"""What a handler gets and gives: a call that was parsed and authorised, and a reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from consent_service.domain.errors import InvalidRequest, NotFound
from consent_service.http.auth import Principal
from consent_service.http.idempotency import HEADER, read_idempotency
from consent_service.http.json_body import read_json
from consent_service.http.problems import Headers
from consent_service.usecases.sites import Site
from consent_service.usecases.submissions import Caller, Idempotency

T = TypeVar("T")

_JSON: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_REPLAYED = (b"idempotency-replayed", b"true")
_encode = msgspec.json.Encoder().encode
_UUID_LENGTH = 36


class Reply(msgspec.Struct, frozen=True):
    """A status, a body and all headers but those that every answer has."""

    status: int
    body: bytes
    headers: Headers


class Source(Protocol):
    """Where a stream's bytes come from."""

    def parts(self) -> AsyncIterator[bytes]:
        """What is to be sent, in order, as long as there is something to come."""
        ...

    async def close(self, *, stalled: bool = False) -> None:
        """Always called at the end, however it came; `stalled`: the client did not take what it was sent."""
        ...


class Streamed(msgspec.Struct, frozen=True):
    """A reply whose body has no known end; after `seconds` it ends all the same."""

    status: int
    headers: Headers
    source: Source
    seconds: float


class Visit(msgspec.Struct, frozen=True):
    """A browser's call: on which site, from which network (`http/network.py`), with which `Origin`, if any.

    `has_signal`: it sends `Sec-GPC: 1`.
    """

    site: Site
    network: bytes
    origin: str | None
    has_signal: bool


def json_reply(status: int, value: Any, *extra: tuple[bytes, bytes], replayed: bool = False) -> Reply:
    """The value as JSON, never to be stored by a cache: it may tell of a person."""
    headers = [*_JSON, *extra]
    if replayed:
        headers.append(_REPLAYED)
    return Reply(status, _encode(value), headers)


def read_path_id(name: str, text: str) -> UUID:
    """Raises NotFound where the text is no UUID: nothing can stand under it (R20).

    Braces, a URN or missing hyphens are other spellings, which a path does not have.
    """
    if len(text) == _UUID_LENGTH and text[8] == text[13] == text[18] == text[23] == "-":
        try:
            return msgspec.convert(text, UUID)
        except msgspec.ValidationError:
            pass
    raise NotFound(f"`{name}` is not a UUID, so there is nothing here.")


class Call:
    """One request. `parameters` are the path's, `query` the known parameters of the query string."""

    __slots__ = (
        *("_body", "_ids", "_path", "_principal", "_raw_query", "_reason", "_visit"),
        *("headers", "method", "parameters", "query", "traceparent"),
    )

    def __init__(
        self,
        *,
        method: str,
        path: str,
        raw_query: bytes,
        parameters: dict[str, str],
        ids: dict[str, UUID],
        query: dict[str, str],
        headers: dict[bytes, bytes],
        principal: Principal | None,
        body: bytes,
        traceparent: str | None,
        reason: str | None = None,
        visit: Visit | None = None,
    ) -> None:
        self.method = method
        self.parameters = parameters
        self.query = query
        self.headers = headers
        self.traceparent = traceparent
        self._path = path
        self._raw_query = raw_query
        self._ids = ids
        self._principal = principal
        self._body = body
        self._reason = reason
        self._visit = visit

    @property
    def principal(self) -> Principal:
        assert self._principal is not None, "the operation is open: nobody speaks"
        return self._principal

    @property
    def visit(self) -> Visit:
        assert self._visit is not None, "the operation is not of the site interface"
        return self._visit

    @property
    def caller(self) -> Caller:
        """Who speaks, and why, where the call says so."""
        caller = self.principal.caller
        return caller if self._reason is None else msgspec.structs.replace(caller, reason=self._reason)

    @property
    def controller(self) -> str:
        return self.principal.caller.controller

    def path_id(self, name: str) -> UUID:
        """A UUID of the path: a parameter whose name ends in `_id`."""
        return self._ids[name]

    def json(self, decoder: msgspec.json.Decoder[T], *, absent: T | None = None) -> T:
        """The body in the decoder's type. Raises InvalidRequest; `absent` stands for no body at all."""
        if not self._body:
            if absent is not None:
                return absent
            raise InvalidRequest("A JSON body is needed.", pointer="")
        return read_json(self._body, decoder)

    def idempotency(self) -> Idempotency | None:
        """The claimed Idempotency-Key, if one came. Raises InvalidRequest."""
        header = self.headers.get(HEADER)
        if header is None:
            return None
        target = self._path.encode() + b"?" + self._raw_query
        return read_idempotency(header, self.caller, method=self.method, target=target, body=self._body)
