"""Every reason why the service says no: one root, a class per reason, its `slug` stable for ever (CORE 12).

Nothing here knows HTTP: `http/problems.py` holds the one table from these classes to status codes.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ConsentError(Exception):
    """The root. `detail` tells what to do; it never holds personal data."""

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, *, pointer: str | None = None, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        #: RFC 6901, into the request body; for a batch the caller puts its own prefix before it.
        self.pointer = pointer
        #: The name of a query parameter, where the fault is there.
        self.parameter = parameter

    def members(self) -> dict[str, Any]:
        """Extension members of the problem document."""
        return {}


class InvalidRequest(ConsentError):
    slug = "invalid-request"
    title = "The request is not well-formed"


class Unauthenticated(ConsentError):
    slug = "unauthenticated"
    title = "A valid token is needed"


class InsufficientScope(ConsentError):
    slug = "insufficient-scope"
    title = "The token does not allow this"


class ForeignOrigin(ConsentError):
    """A browser's request from a page that is not the site's (R36)."""

    slug = "foreign-origin"
    title = "The page is not of this site"


class UnknownController(ConsentError):
    slug = "unknown-controller"
    title = "The token's controller is not known here"


class NotFound(ConsentError):
    slug = "not-found"
    title = "There is nothing here"


class MethodNotAllowed(ConsentError):
    slug = "method-not-allowed"
    title = "This path knows other methods"


class UnsupportedMediaType(ConsentError):
    slug = "unsupported-media-type"
    title = "The body must be JSON"


class TooLarge(ConsentError):
    slug = "too-large"
    title = "The request is too large"


class HeadTooLarge(ConsentError):
    slug = "head-too-large"
    title = "The request's head is too large"


class TooSlow(ConsentError):
    slug = "too-slow"
    title = "The request came too slowly"


class UnknownReference(ConsentError):
    slug = "unknown-reference"
    title = "The request names something that does not exist"


class InvalidValue(ConsentError):
    slug = "invalid-value"
    title = "A value is not acceptable"


class EvidenceRequired(ConsentError):
    slug = "evidence-required"
    title = "This needs evidence"


class NotWithdrawable(ConsentError):
    slug = "not-withdrawable"
    title = "The legal basis knows no withdrawal"


class NotObjectable(ConsentError):
    slug = "not-objectable"
    title = "The legal basis knows no objection"


class NotConsentBased(ConsentError):
    slug = "not-consent-based"
    title = "The purpose does not rest on consent"


class NoLegalBasis(ConsentError):
    slug = "no-legal-basis"
    title = "The purpose has no legal basis"


class MustBeMaterial(ConsentError):
    slug = "must-be-material"
    title = "This change is material"


class IdempotencyKeyReuse(ConsentError):
    slug = "idempotency-key-reuse"
    title = "The idempotency key was used for another request"


class Erased(ConsentError):
    slug = "erased"
    title = "The person was erased"


class NoLongerKept(ConsentError):
    """The stream cannot be resumed from there (R32)."""

    slug = "no-longer-kept"
    title = "The stream no longer goes back that far"

    def members(self) -> dict[str, Any]:
        return {"snapshot": "/v1/states"}


class VersionMismatch(ConsentError):
    """A stale `If-Match` (CORE 5)."""

    slug = "version-mismatch"
    title = "The version is not the expected one"


class NotPossibleNow(ConsentError):
    slug = "not-possible-now"
    title = "Not possible in the present status"

    def __init__(self, detail: str, possible: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.possible = possible

    def members(self) -> dict[str, Any]:
        return {"possible": list(self.possible)}


class VersionOvertaken(ConsentError):
    slug = "version-overtaken"
    title = "A material change has overtaken this version"

    def __init__(self, detail: str, current_version: int, *, pointer: str | None = "/version") -> None:
        super().__init__(detail, pointer=pointer)
        self.current_version = current_version

    def members(self) -> dict[str, Any]:
        return {"current_version": self.current_version}


class ConfirmationNeeded(ConsentError):
    slug = "confirmation-needed"
    title = "This consent needs a confirmation"

    def __init__(self, detail: str, possible: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.possible = possible

    def members(self) -> dict[str, Any]:
        return {"possible": list(self.possible)}


class PurposeRetired(ConsentError):
    slug = "purpose-retired"
    title = "The purpose is retired"


class ConflictingIdentifiers(ConsentError):
    slug = "conflicting-identifiers"
    title = "The identifiers belong to different persons"


class IdentifierTaken(ConsentError):
    slug = "identifier-taken"
    title = "The identifier belongs to another person"


class TooManyRequests(ConsentError):
    slug = "too-many-requests"
    title = "Too many requests"


class Overloaded(ConsentError):
    slug = "overloaded"
    title = "The service is full"


class Unavailable(ConsentError):
    slug = "unavailable"
    title = "The service cannot answer now"


class SeveralRefusals(ConsentError):
    """A decision of which commands were refused: status and type are those of the first (CORE 10).

    Each refusal's `pointer` already leads from the body's root (`/decisions/1`, `/decisions/1/version`).
    """

    def __init__(self, refusals: list[ConsentError]) -> None:
        super().__init__(refusals[0].detail, pointer=refusals[0].pointer)
        self.refusals = refusals
