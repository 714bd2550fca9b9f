"""Requests as bytes, made so that sending one costs the load generator next to nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from itertools import count, cycle

CONTROLLER = "ansettr"
PURPOSE = "nettstedanalyse-matomo"
"""Based on consent, given without a confirmation: a grant and a withdrawal are each a new record."""

BATCH_QUERIES = 100
_BATCHES = 50
_GRANT = json.dumps({"version": 1, "language": "nb", "channel": "web"}).encode()
_WITHDRAW = json.dumps({"channel": "web"}).encode()

Person = tuple[str, bool]
"""A subject's id, and whether their consent stands."""


def _head(method: str, path: str, token: str, body: bytes | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {token}"]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n"


def records(token: str, people: Sequence[Person]) -> Iterator[bytes]:
    """Turn by turn a grant or a withdrawal for each of them, each with an Idempotency-Key of its own."""
    run = secrets.token_hex(8).encode()
    keys = count(1)
    # The path is the only part that differs, so the rest is made once.
    grant, withdraw = (
        _head("POST", f"/v1/subjects/{{}}/consents/{PURPOSE}/{command}", token, body).split(b"{}")
        for command, body in (("grant", _GRANT), ("withdraw", _WITHDRAW))
    )
    places = [subject_id.encode() for subject_id, _ in people]
    stands = [stood for _, stood in people]
    for number in cycle(range(len(places))):
        start, rest = withdraw if stands[number] else grant
        body = _WITHDRAW if stands[number] else _GRANT
        stands[number] = not stands[number]
        key = b"idempotency-key: %b-%d\r\n\r\n" % (run, next(keys))
        yield b"".join((start, places[number], rest, key, body))


def checks(token: str, people: Sequence[Person]) -> Iterator[bytes]:
    """The permission of one person after the other."""
    start, rest = _head("GET", f"/v1/subjects/{{}}/permissions/{PURPOSE}", token).split(b"{}")
    places = [subject_id.encode() for subject_id, _ in people]
    return (b"".join((start, place, rest, b"\r\n")) for place in cycle(places))


def batch_checks(token: str, people: Sequence[Person]) -> Iterator[bytes]:
    """BATCH_QUERIES permissions in one request; a connection goes round with _BATCHES of them."""
    made = []
    ids = cycle([subject_id for subject_id, _ in people])
    for _ in range(_BATCHES):
        queries = [{"subject_id": next(ids), "purpose": PURPOSE} for _ in range(BATCH_QUERIES)]
        body = json.dumps({"queries": queries}, separators=(",", ":")).encode()
        made.append(_head("POST", "/v1/permissions", token, body) + b"\r\n" + body)
    return cycle(made)


KINDS = {"record": records, "check": checks, "batch_check": batch_checks}
