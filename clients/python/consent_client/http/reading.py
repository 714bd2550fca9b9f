"""From JSON to answers: members that are not known are ignored, words that are not known read as None."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from consent_client.errors import NotUnderstood
from consent_client.http.answers import Permission

Answer = TypeVar("Answer")
Tidy = Callable[[Any], Any]


class Reading(Generic[Answer]):
    """Reads one kind of answer."""

    def __init__(self, kind: type[Answer]) -> None:
        self._kind = kind
        self._tidy = _tidying(kind)

    def __call__(self, body: bytes | str) -> Answer:
        """Raises NotUnderstood."""
        try:
            content = msgspec.json.decode(body)
            return msgspec.convert(content if self._tidy is None else self._tidy(content), self._kind)
        except RecursionError:
            raise NotUnderstood(f"the answer is no {self._kind.__name__}: it is nested too deeply") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            # The library's words name places and kinds, never what was there.
            raise NotUnderstood(f"the answer is no {self._kind.__name__}: {error}") from None


def _tidying(kind: Any) -> Tidy | None:
    """What makes of decoded JSON something that this kind takes; None where there is nothing to do."""
    if get_origin(kind) is tuple:
        return _tidying_items(get_args(kind)[0])
    inner = [one for one in get_args(kind) if one is not NoneType]
    if len(inner) == 1:
        return _tidying(inner[0])
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        known = frozenset(kind)
        return lambda word: None if isinstance(word, str) and word not in known else word
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _tidying_members(kind)
    return None


def _tidying_items(kind: Any) -> Tidy | None:
    tidy = _tidying(kind)
    if tidy is None:
        return None
    words = issubclass(kind, StrEnum)

    def tidied(items: Any) -> Any:
        if not isinstance(items, list):
            return items
        each = map(tidy, items)
        return [item for item in each if item is not None] if words else list(each)

    return tidied


def _tidying_members(kind: type[msgspec.Struct]) -> Tidy | None:
    hints = get_type_hints(kind)
    members = [(name, tidy) for name in kind.__struct_fields__ if (tidy := _tidying(hints[name])) is not None]
    is_permission = issubclass(kind, Permission)
    if not members:
        return None

    def tidied(content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        for name, tidy in members:
            if content.get(name) is not None:
                content[name] = tidy(content[name])
        if is_permission and (content.get("reason") is None or content.get("status") is None):
            content["allowed"] = False
        return content

    return tidied
