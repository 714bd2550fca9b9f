"""Choosing a notice's language: RFC 4647 look-up (CORE 8)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

#: What is looked for where nothing that was asked for is offered.
FALLBACKS = ("nb", "en")
#: The two written languages of a macrolanguage that browsers still name, the more common one first.
_NORWEGIAN = ("nb", "nn")
_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,7}")


def is_language_tag(text: str) -> bool:
    """Whether the text has the form of a BCP 47 tag; that the subtags are registered is not looked at."""
    return _TAG.fullmatch(text) is not None


def match_language(asked: str | None, offered: Iterable[str]) -> str | None:
    """The offered tag that a look-up finds by cutting the asked one from its end: `nb-NO` finds `nb`.

    A single letter or digit that would come to stand last is cut too (RFC 4647 section 3.4).
    """
    if asked is None:
        return None
    by_lower = {tag.lower(): tag for tag in offered}
    subtags = asked.lower().split("-")
    while subtags:
        found = by_lower.get("-".join(subtags))
        if found is not None:
            return found
        subtags.pop()
        if subtags and len(subtags[-1]) == 1:
            subtags.pop()
    return None


def choose_language(asked: Sequence[str], offered: Collection[str]) -> str:
    """The first of these tags, in their order, that a look-up finds; else nb, en, or the first that there is.

    `no` finds nb or nn. `offered` is not empty.
    """
    for tag in (*asked, *FALLBACKS):
        found = match_language(tag, offered)
        if found is None and tag.lower().split("-")[0] == "no":
            found = next((one for one in _NORWEGIAN if one in offered), None)
        if found is not None:
            return found
    return min(offered)
