"""Problem documents (RFC 9457): the one table from a refusal to its status, and their rendering (CORE 12)."""

from __future__ import annotations

from typing import Any

import msgspec

from consent_service.domain import errors
from consent_service.domain.errors import ConsentError, SeveralRefusals

MEDIA_TYPE = "application/problem+json"

#: Seconds until it is worth asking again.
RETRY_AFTER = {"unavailable": "5", "overloaded": "1", "too-many-requests": "1"}

Headers = list[tuple[bytes, bytes]]


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault: `pointer` (RFC 6901) leads into the body, `parameter` names a query parameter or header."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error (RFC 9457). `type` is stable and is the address of a page that explains it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Fault] = []


STATUS: dict[str, int] = {
    errors.InvalidRequest.slug: 400,
    errors.Unauthenticated.slug: 401,
    errors.InsufficientScope.slug: 403,
    errors.UnknownController.slug: 403,
    errors.ForeignOrigin.slug: 403,
    errors.NotFound.slug: 404,
    errors.MethodNotAllowed.slug: 405,
    errors.UnsupportedMediaType.slug: 415,
    errors.TooLarge.slug: 413,
    errors.HeadTooLarge.slug: 431,
    errors.TooSlow.slug: 408,
    errors.UnknownReference.slug: 422,
    errors.InvalidValue.slug: 422,
    errors.EvidenceRequired.slug: 422,
    errors.NotWithdrawable.slug: 422,
    errors.NotObjectable.slug: 422,
    errors.NotConsentBased.slug: 422,
    errors.NoLegalBasis.slug: 422,
    errors.MustBeMaterial.slug: 422,
    errors.IdempotencyKeyReuse.slug: 422,
    errors.Erased.slug: 410,
    errors.NoLongerKept.slug: 410,
    errors.VersionMismatch.slug: 412,
    errors.NotPossibleNow.slug: 409,
    errors.VersionOvertaken.slug: 409,
    errors.ConfirmationNeeded.slug: 409,
    errors.PurposeRetired.slug: 409,
    errors.ConflictingIdentifiers.slug: 409,
    errors.IdentifierTaken.slug: 409,
    errors.TooManyRequests.slug: 429,
    errors.Overloaded.slug: 503,
    errors.Unavailable.slug: 503,
    errors.ConsentError.slug: 500,
}


def problem_type(slug: str) -> str:
    """The stable `type` of a problem; a page of that address explains it."""
    return f"/problems/{slug}"


def status_of(error: ConsentError) -> int:
    """The status of a refusal; of several, that of the first (CORE 10)."""
    return STATUS[_leading(error).slug]


def problem_body(error: ConsentError) -> bytes:
    """The problem document as JSON, extension members after the standard ones."""
    leading = _leading(error)
    refusals = error.refusals if isinstance(error, SeveralRefusals) else [error]
    document: dict[str, Any] = {
        "type": problem_type(leading.slug),
        "title": leading.title,
        "status": STATUS[leading.slug],
        "detail": leading.detail,
    }
    faults = [_fault(refusal) for refusal in refusals if refusal.pointer is not None or refusal.parameter]
    if faults:
        document["errors"] = faults
    for name, value in leading.members().items():
        document.setdefault(name, value)
    return msgspec.json.encode(document)


def problem_headers(error: ConsentError) -> Headers:
    """When to ask again, that it is the first answer again, and what `http/refusals.py` adds."""
    leading = _leading(error)
    headers: Headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"cache-control", b"no-store"),
    ]
    own: dict[str, str] = getattr(leading, "headers", {})
    if leading.slug in RETRY_AFTER and "retry-after" not in own:
        headers.append((b"retry-after", RETRY_AFTER[leading.slug].encode()))
    if getattr(error, "replayed", False):
        headers.append((b"idempotency-replayed", b"true"))
    headers.extend((name.encode(), value.encode()) for name, value in own.items())
    return headers


def _leading(error: ConsentError) -> ConsentError:
    return error.refusals[0] if isinstance(error, SeveralRefusals) else error


def _fault(error: ConsentError) -> Fault:
    return Fault(detail=error.detail, pointer=error.pointer, parameter=error.parameter)
