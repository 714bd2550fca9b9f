"""Refusals that only HTTP knows: they bring headers along; and what the framework's own exceptions mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from litestar.exceptions import HTTPException

from consent_service.domain.errors import (
    ConsentError,
    InsufficientScope,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    UnknownController,
    UnsupportedMediaType,
)

_CHALLENGE = 'Bearer realm="consent-service"'


class TokenMissing(Unauthenticated):
    """No bearer token came: the challenge names no error (RFC 6750 section 3.1)."""

    headers: ClassVar[dict[str, str]] = {"www-authenticate": _CHALLENGE}

    def __init__(self) -> None:
        super().__init__("Send a token: `Authorization: Bearer <token>`.")


class TokenRefused(Unauthenticated):
    """The token is not valid. `detail` says why, never what the token holds."""

    headers: ClassVar[dict[str, str]] = {"www-authenticate": f'{_CHALLENGE}, error="invalid_token"'}


class ControllerUnknown(UnknownController):
    """The token is valid, but its controller has no catalogue here, or is none that the issuer may speak for.

    Both read the same: an issuer learns nothing about the controllers of others.
    """

    headers: ClassVar[dict[str, str]] = {"www-authenticate": f'{_CHALLENGE}, error="insufficient_scope"'}

    def __init__(self) -> None:
        super().__init__("The token's controller is not known here.")


class ScopeMissing(InsufficientScope):
    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope `{scope}`.")
        self.headers = {"www-authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'}


class RecipientMissing(InsufficientScope):
    """The token does not speak for the recipient in whose name the words are (R34)."""

    def __init__(self, recipient: str) -> None:
        super().__init__(
            f"The token does not speak for {recipient}: ask the issuer for one whose claim `recipient` is {recipient} "
            f"(in development: consent-service token --recipient {recipient}), or make an API key with --recipient."
        )
        self.headers = {"www-authenticate": f'{_CHALLENGE}, error="insufficient_scope"'}


class OtherMethods(MethodNotAllowed):
    def __init__(self, methods: Iterable[str]) -> None:
        allowed = ", ".join(sorted(methods))
        super().__init__(f"This path knows: {allowed}.")
        self.headers = {"allow": allowed}


class LimitReached(TooManyRequests):
    """`headers` tell the limit that was reached, and what is left of it."""

    def __init__(self, policy: str, wait_s: int, headers: dict[str, str]) -> None:
        super().__init__(f"More requests came than the limit `{policy}` allows; come again in {wait_s} s.")
        self._policy = policy
        self.headers = {"retry-after": str(wait_s), **headers}

    def members(self) -> dict[str, Any]:
        return {"violated-policies": [self._policy]}


def from_framework(error: HTTPException) -> ConsentError:
    """What an exception of Litestar's own means; its words are left out, since they may quote the request."""
    match error.status_code:
        case 400:
            return InvalidRequest("The request is not well-formed; /schema describes what is.")
        case 404:
            return NotFound("There is nothing at this path; /schema lists what there is.")
        case 405:
            allowed = (error.headers or {}).get("allow", "")
            return OtherMethods(method.strip() for method in allowed.split(",") if method.strip())
        case 413:
            return TooLarge("The request is too large.")
        case 415:
            return UnsupportedMediaType("Send `Content-Type: application/json`.")
        case _:
            return ConsentError("The request could not be answered.")
