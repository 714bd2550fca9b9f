"""What is packed once, as each client takes it: its coding, its own entity tag, or 304 (RFC 9110)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response

from consent_service.http.negotiation import choose_coding, has_already
from consent_service.http.problems import Headers
from consent_service.usecases.packing import Packed


class Form(msgspec.Struct, frozen=True):
    """What one client gets: 200, or 304 without a body; `headers` are those that follow from the form."""

    status: int
    body: bytes
    headers: Headers


def choose_form(content: Packed, accept_encoding: bytes | None, if_none_match: bytes | None) -> Form:
    coding = choose_coding(accept_encoding, content.codings)
    # Strong: another coding is another sequence of bytes, so it has another tag.
    tag = f'"{content.digest}-{coding}"' if coding else f'"{content.digest}"'
    headers = [(b"etag", tag.encode())]
    if has_already(if_none_match, tag.encode()):
        return Form(304, b"", headers)
    if coding is None:
        return Form(200, content.body, headers)
    return Form(200, content.codings[coding], [*headers, (b"content-encoding", coding.encode())])


def script_response(
    request: Request[Any, Any, Any], script: Packed, headers: dict[str, str]
) -> Response[bytes]:
    """One of the service's own scripts; `headers` say who may have it, and for how long."""
    sent = {name.lower(): value.encode("latin-1") for name, value in request.headers.items()}
    form = choose_form(script, sent.get("accept-encoding"), sent.get("if-none-match"))
    own = {name.decode(): value.decode() for name, value in form.headers}
    return Response(
        form.body,
        status_code=form.status,
        media_type="text/javascript",
        headers={**headers, **own, "vary": "Accept-Encoding"},
    )
