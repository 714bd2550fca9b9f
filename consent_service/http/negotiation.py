"""What a client can read and has already: languages, codings, entity tags (RFC 9110, sections 8.8, 12.5, 13.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from consent_service.domain.languages import is_language_tag

#: More than any browser sends. What stands behind them is not read: a header may be as long as a head.
ITEMS_MAX = 20
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


def read_languages(header: bytes | None) -> list[str]:
    """Accept-Language as tags, the preferred first; what is no tag, unwanted (`q=0`) or `*` is left out."""
    weighed = []
    for name, weight in _items(header):
        if weight > 0 and is_language_tag(name):
            weighed.append((name, weight))
    return [name for name, _ in sorted(weighed, key=lambda one: -one[1])]


def choose_coding(header: bytes | None, codings: Iterable[str]) -> str | None:
    """The coding that Accept-Encoding prefers; of equal ones the first. None where the content is to be sent plain:
    no coding is wanted, or `identity` is named with a higher weight.
    """
    told = {name.lower(): weight for name, weight in _items(header)}
    best, weight = None, 0.0
    for coding in codings:
        wanted = told.get(coding, told.get("*", 0.0))
        if wanted > weight:
            best, weight = coding, wanted
    return best if weight >= told.get("identity", 0.0) else None


def has_already(if_none_match: bytes | None, tag: bytes) -> bool:
    """Whether one of the tags is this one, compared weakly; `*` is any."""
    if if_none_match is None:
        return False
    tags = [one.strip().removeprefix(b"W/") for one in if_none_match.split(b",")]
    return tag in tags or tags == [b"*"]


def _items(header: bytes | None) -> list[tuple[str, float]]:
    """The first names with their quality values, 1 where there is none; one that cannot be read counts as unwanted."""
    found = []
    for part in (header or b"").decode("latin-1").split(",", ITEMS_MAX)[:ITEMS_MAX]:
        # One parameter is known; of more the rest is one that is not.
        name, *parameters = (piece.strip() for piece in part.split(";", 2))
        weight = 1.0
        for parameter in parameters:
            match = _QUALITY.fullmatch(parameter.lower().replace(" ", ""))
            weight = float(match[1]) if match else 0.0
        if name:
            found.append((name, weight))
    return found
