"""An operation of the interface, declared once: its route, its guard, and what its documentation says.

The endpoint runs it, the OpenAPI document describes it, a test compares the scopes with the design's table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from consent_service.domain.errors import ConsentError
from consent_service.http.exchange import Call, Reply, Streamed
from consent_service.http.services import Services

Handler = Callable[[Call, Services], Awaitable[Reply | Streamed]]


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter or a request header, with its JSON schema."""

    name: str
    description: str
    schema: dict[str, Any]
    required: bool = False


class Answer(msgspec.Struct, frozen=True):
    """A documented answer that is no problem; `body` is its type, null for none."""

    status: int
    description: str
    body: Any = None
    example: Any = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path template. `scope` is null where no token is needed; on a path under a site's key, what
    calls is a browser on a page of the site, or, with `any_origin`, anybody. With `from_c15t` its client calls, which
    sends cookies along, that nobody reads, and headers of its own.

    `body` is the request's type; with `body_needed` false an absent body stands for its defaults. `problems`
    are those that this operation adds to the ones that follow from its form (`openapi.py`).
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    handler: Handler
    scope: str | None
    answers: tuple[Answer, ...]
    description: str = ""
    any_origin: bool = False
    from_c15t: bool = False
    body: Any = None
    body_needed: bool = True
    body_example: Any = None
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    problems: tuple[type[ConsentError], ...] = ()
    path_enums: dict[str, tuple[str, ...]] = {}

    @property
    def query_names(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.query)


IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "1 to 255 visible ASCII characters. The same key with the same request gets the first answer again.",
    {"type": "string", "pattern": '^([!-~]{1,255}|"[!-~]{1,255}")$'},
)
REASON = Parameter(
    "Consent-Reason",
    "Why you ask, for the audit trail: up to 200 visible characters. No place for personal data: the trail is never "
    "changed. Where a call leaves nothing in the trail, its reason is not kept.",
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f]*$"},
)
LIMIT = Parameter(
    "limit",
    "How many items a page has.",
    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
)
AFTER = Parameter(
    "after", "The `next` of an earlier answer.", {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$"}
)
AS_OF = Parameter(
    "as_of",
    "As it was known at that moment, which is not in the future.",
    {"type": "string", "format": "date-time"},
)
