"""Requests as bytes, made so that sending one costs the load generator next to nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from itertools import count, cycle

CONTROLLER = "ansettr"
SITE = "ansettr-web"
ORIGIN = "https://ansettr.no"
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


def _browser(method: str, path: str, body: bytes | None = None) -> bytes:
    """A request of a page of the site, as a browser words it where it matters."""
    lines = [f"{method} /site/v1/{SITE}/{path} HTTP/1.1", "host: 127.0.0.1", f"origin: {ORIGIN}"]
    lines += ["accept-encoding: gzip, deflate, br", "accept-language: nb-NO,nb;q=0.9,en;q=0.8"]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n"


def notices(_token: str, _people: Sequence[Person]) -> Iterator[bytes]:
    """What a banner shows, over and over."""
    return cycle([_browser("GET", "notice?lang=nb") + b"\r\n"])


def site_posts(screen_hash: str, _people: Sequence[Person]) -> Iterator[bytes]:
    """The first choice of one new visitor after the other, about three purposes; in turns all given and all refused."""
    run = secrets.token_hex(8)
    numbers = count(1)
    made = []
    for said in ("given", "refused"):
        body = json.dumps(
            {
                "choice_id": f"choice-of-{run}",
                "language": "nb",
                "screen_hash": screen_hash,
                "layer": "banner",
                "choices": dict.fromkeys((PURPOSE, "facebook-piksel", "kontaktskjema"), said),
                "button": "accept_all" if said == "given" else "refuse_all",
                "path": "/",
            }
        ).encode()
        made.append((_browser("POST", "consents", body), body))
    for head, body in cycle(made):
        yield b"%bconsent-visitor: visitor-%b-%d\r\n\r\n%b" % (head, run.encode(), next(numbers), body)


#: From a token (for `site_post` the hash of what is on screen) and people, requests without end.
KINDS = {
    "record": records,
    "check": checks,
    "batch_check": batch_checks,
    "notice": notices,
    "site_post": site_posts,
}
