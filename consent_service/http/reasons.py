"""The `Consent-Reason` header: why somebody asks, for the audit trail."""

from __future__ import annotations

from consent_service.domain import audit
from consent_service.domain.errors import InvalidRequest

HEADER = b"consent-reason"


def read_reason(header: bytes | None) -> str | None:
    """The reason, if one came; as UTF-8, or else as Latin-1, which browsers send. Raises InvalidRequest."""
    if header is None:
        return None
    try:
        text = header.decode()
    except UnicodeDecodeError:
        text = header.decode("latin-1")
    try:
        return audit.read_reason(text)
    except ValueError as error:
        raise InvalidRequest(f"This cannot be: {error}.", parameter="Consent-Reason") from None
