"""Stories as text: what is said about one subject and one purpose, line by line, and what it leads to.

A line is `DAY COMMAND WORDS -> OUTCOME`. Words: `v2` the version, a channel, `of 3` occurred on day 3, `evidence`,
`no-authority`, `in nb` the language, `topics=jobs,news`, `channels=...`, `frequency=...`, `topics=` for none,
`changed` a material change as the service writes it down. `reads` says nothing and reads what stands.
An outcome is a problem's slug, or: `=` where the standing record answers, the status, its `since` (of `reads`),
the permission with its reason where that is not the status, `until`, `v2` where the version is not the first,
the standing preferences where there are any, `superseded`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from consent_service.domain.errors import ConsentError
from consent_service.domain.purposes import Purpose
from consent_service.domain.records import Permission, Preferences, State, SubjectFlags
from consent_service.domain.values import Cause, Channel
from tests.builders import DAY_ZERO, Pair, day


def tell(story: str, purpose: Purpose | None = None, flags: SubjectFlags | None = None) -> str:
    """The story again, every outcome as it really is; equal to `story` where all is as told."""
    pair = Pair(purpose, flags)
    lines = []
    for line in story.splitlines():
        said, arrow, _ = line.partition("->")
        lines.append(f"{said}-> {_outcome(pair, said.split())}" if arrow else line)
    return "\n".join([*lines, ""])


def _outcome(pair: Pair, words: list[str]) -> str:
    at, command, *rest = words
    if command == "reads":
        reading = pair.reads(day(float(at)))
        since = [f"since {_days(reading.since)}"] if reading.since else []
        return " ".join(_result(pair.state, pair.permission(day(float(at))), reading.until, since))
    fields = _fields(rest)
    try:
        verdict = pair.says(command, day(float(at)), **fields)
    except ConsentError as refusal:
        return refusal.slug
    result = _result(verdict.state, verdict.permission, verdict.until, [])
    return " ".join(
        ([] if verdict.appended else ["="]) + result + (["superseded"] if verdict.superseded else [])
    )


def _result(
    state: State | None, permission: Permission, until: datetime | None, since: list[str]
) -> list[str]:
    words: list[str] = [permission.status, *since, "yes" if permission.allowed else "no"]
    if permission.reason.value != permission.status.value:
        words.append(permission.reason)
    if until is not None:
        words.append(f"until {_days(until)}")
    if permission.version != 1:
        words.append(f"v{permission.version}")
    if state is not None and state.preferences is not None:
        words.append(_told(state.preferences))
    return words


def _days(moment: datetime) -> str:
    return f"{(moment - DAY_ZERO).total_seconds() / 86400:g}"


def _told(preferences: Preferences) -> str:
    said = [
        f"{name}={','.join(codes)}"
        for name, codes in (("channels", preferences.channels), ("topics", preferences.topics))
        if codes
    ]
    if preferences.frequency:
        said.append(f"frequency={preferences.frequency}")
    return " ".join(said) or "topics="


def _fields(words: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    chosen: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        name, equals, codes = word.partition("=")
        if equals:
            chosen[name] = codes if name == "frequency" else tuple(filter(None, codes.split(",")))
        elif word == "of":
            fields["occurred_at"] = day(float(next(rest)))
        elif word == "in":
            fields["language_asked"] = next(rest)
        elif word == "evidence":
            fields["has_evidence"] = True
        elif word == "no-authority":
            fields["has_authority"] = False
        elif word == "changed":
            fields |= {"cause": Cause.PURPOSE_CHANGED, "has_authority": False}
        elif word.startswith("v") and word[1:].isdecimal():
            fields["version"] = int(word[1:])
        else:
            fields["channel"] = Channel(word)
    return fields | ({"preferences": Preferences(**chosen)} if chosen else {})
