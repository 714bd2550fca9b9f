"""What a handler gets and gives: a call that was parsed and authorised, and a reply."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

import msgspec

from consent_service.domain.errors import InvalidRequest, NotFound
from consent_service.http.auth import Principal
from consent_service.http.idempotency import HEADER, read_idempotency
from consent_service.http.json_body import read_json
from consent_service.http.problems import Headers
from consent_service.usecases.submissions import Caller, Idempotency

T = TypeVar("T")

_JSON: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_REPLAYED = (b"idempotency-replayed", b"true")
_encode = msgspec.json.Encoder().encode
#: The text form of a UUID; braces, a URN or missing hyphens are other spellings, which a path does not have.
_UUID_HYPHENS = (8, 13, 18, 23)
_UUID_LENGTH = 36


class Reply(msgspec.Struct, frozen=True):
    """A status, a body and all headers but those that every answer has."""

    status: int
    body: bytes
    headers: Headers


def json_reply(status: int, value: Any, *extra: tuple[bytes, bytes], replayed: bool = False) -> Reply:
    """The value as JSON, never to be stored by a cache: it may tell of a person."""
    headers = [*_JSON, *extra]
    if replayed:
        headers.append(_REPLAYED)
    return Reply(status, _encode(value), headers)


def read_path_id(name: str, text: str) -> UUID:
    """Raises NotFound where the text is no UUID: nothing can stand under it (R20)."""
    if len(text) == _UUID_LENGTH and all(text[place] == "-" for place in _UUID_HYPHENS):
        try:
            return UUID(text)
        except ValueError:
            pass
    raise NotFound(f"`{name}` is not a UUID, so there is nothing here.")


class Call:
    """One request. `parameters` are the path's, `query` the known parameters of the query string."""

    __slots__ = ("_body", "_principal", "headers", "method", "parameters", "query", "target", "traceparent")

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        parameters: dict[str, str],
        query: dict[str, str],
        headers: dict[bytes, bytes],
        principal: Principal | None,
        body: bytes,
        traceparent: str | None,
    ) -> None:
        self.method = method
        self.target = target
        self.parameters = parameters
        self.query = query
        self.headers = headers
        self.traceparent = traceparent
        self._principal = principal
        self._body = body

    @property
    def principal(self) -> Principal:
        assert self._principal is not None, "the operation is open: nobody speaks"
        return self._principal

    @property
    def caller(self) -> Caller:
        return self.principal.caller

    @property
    def controller(self) -> str:
        return self.principal.caller.controller

    def path_id(self, name: str) -> UUID:
        """A UUID of the path. Raises NotFound where it is none."""
        return read_path_id(name, self.parameters[name])

    def json(self, decoder: msgspec.json.Decoder[T], *, absent: T | None = None) -> T:
        """The body in the decoder's type. Raises InvalidRequest; `absent` stands for no body at all."""
        if not self._body:
            if absent is not None:
                return absent
            raise InvalidRequest("A JSON body is needed.", pointer="")
        return read_json(self._body, decoder)

    def idempotency(self) -> Idempotency | None:
        """The claimed Idempotency-Key, if one came. Raises InvalidRequest."""
        return read_idempotency(
            self.headers.get(HEADER), self.caller, method=self.method, target=self.target, body=self._body
        )
