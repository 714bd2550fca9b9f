"""Headers that keep an answer out of other sites' pages, of addresses and of unencrypted connections."""

from __future__ import annotations

from collections.abc import Iterable

from consent_service.http.problems import Headers

#: Of every answer. A page says itself what it may load; everything else is read by programs and loads nothing.
GUARDS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
#: A year, for this host alone: what else lies under its name is not ours to decide.
_ENCRYPTED = (b"strict-transport-security", b"max-age=31536000")


def guards_of(public_url: str) -> Headers:
    """The guards, with that of encryption where the service is reached by https."""
    return [*GUARDS, _ENCRYPTED] if public_url.lower().startswith("https://") else GUARDS


def guarded(headers: Iterable[tuple[bytes, bytes]], guards: Headers) -> Headers:
    """An answer's own headers with all guards that it does not set itself."""
    own = list(headers)
    names = {name.lower() for name, _ in own}
    return [*own, *(guard for guard in guards if guard[0] not in names)]
