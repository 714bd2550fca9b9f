"""The `Idempotency-Key` header (R24, CORE 17)."""

from __future__ import annotations

import re
from hashlib import sha256

from consent_service.domain.errors import InvalidRequest
from consent_service.usecases.submissions import Caller, Idempotency

HEADER = b"idempotency-key"
_KEY = re.compile(rb"[\x21-\x7e]{1,255}")


def read_idempotency(
    header: bytes, caller: Caller, *, method: str, target: bytes, body: bytes
) -> Idempotency:
    """The claimed key, bound to controller, token subject and request.

    `target` is the path with its query. One pair of outer quotes is dropped: the header is a structured-field
    string, which most clients send bare. Raises InvalidRequest for another form.
    """
    key = header.strip()
    if len(key) >= 2 and key.startswith(b'"') and key.endswith(b'"'):
        key = key[1:-1]
    if _KEY.fullmatch(key) is None:
        raise InvalidRequest(
            "An Idempotency-Key has 1 to 255 visible ASCII characters.", parameter="Idempotency-Key"
        )
    scope = b"\0".join((caller.controller.encode(), caller.subject.encode(), key))
    request = b"\0".join((method.encode(), target, body))
    return Idempotency(key=sha256(scope).digest(), fingerprint=sha256(request).digest())
