"""Request ids and trace contexts: text from outside that goes on to logs and events only when it is sane."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

AsgiScope: TypeAlias = MutableMapping[str, Any]
AsgiReceive: TypeAlias = Callable[[], Awaitable[Any]]
AsgiSend: TypeAlias = Callable[[Any], Awaitable[None]]

#: Where the envelope leaves the request's id for the log.
REQUEST_ID = "consent_request_id"
#: Where the server leaves a call that ends the connection at once, whatever still waits to be sent.
ABORT = "consent_abort"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def read_request_id(header: bytes | None) -> bytes | None:
    """The caller's own id, or None where it is absent or not sane."""
    return header if header is not None and _REQUEST_ID.fullmatch(header) else None


def read_traceparent(header: bytes | None) -> str | None:
    """A valid W3C trace context of version 00; anything else counts as none."""
    if header is None or _TRACEPARENT.fullmatch(header) is None:
        return None
    return header.decode()
