"""Reading a JSON body strictly: faults become 400 with an RFC 6901 pointer to the field (CORE 12).

msgspec decodes into types but lets two things pass: a member named twice, and a NUL or half a surrogate pair
in a text. A second look with the standard library's parser finds them; it also reads what msgspec leaves raw.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

from consent_service.domain.errors import InvalidRequest

T = TypeVar("T")

#: Of a caller's own field name no more than this is repeated.
_NAME_CHARACTERS_MAX = 64
_AT = re.compile(r"(?s)(?P<words>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*)`)?")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|(\[\.\.\.\])")
_UNKNOWN = re.compile(r"(?s)Object contains unknown field `(.*?)`(?: - at `(?P<path>[^`]*)`)?")
_MISSING = re.compile(r"Object missing required field `(.*)`")


class _Repeated(Exception):
    """Some object has a member twice."""


class _Members(list[tuple[str, Any]]):
    """An object with every member in its place, also those named twice."""


def read_json(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as the decoder's type. Raises InvalidRequest that names the first field at fault."""
    try:
        value = decoder.decode(body)
        text = body.decode()
        _scan(text)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    except (msgspec.DecodeError, ValueError, _Repeated, RecursionError):
        raise _closer_look(body) or InvalidRequest(
            "The body is not valid JSON in UTF-8.", pointer=""
        ) from None
    if "\\u" in text and (fault := _closer_look(body)) is not None:
        raise fault
    return value


def escape(name: str) -> str:
    """One step of an RFC 6901 pointer."""
    return name[:_NAME_CHARACTERS_MAX].replace("~", "~0").replace("/", "~1")


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(members)
    if len(unique) != len(members):
        raise _Repeated
    return unique


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_scan = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).decode
_scan_members = json.JSONDecoder(object_pairs_hook=_Members, parse_constant=_no_constant).decode


def _closer_look(body: bytes) -> InvalidRequest | None:
    """The field at fault where the body is JSON, only not such as we take."""
    try:
        return _fault_in(_scan_members(body.decode()), "")
    except ValueError:
        return None
    except RecursionError:
        return InvalidRequest("The body is nested too deeply.", pointer="")


def _fault_in(value: Any, pointer: str) -> InvalidRequest | None:
    """The first member named twice and the first text that cannot be stored, in the order of the body."""
    if isinstance(value, _Members):
        seen: set[str] = set()
        for name, member in value:
            here = f"{pointer}/{escape(name)}"
            if not _is_text(name):
                return InvalidRequest("A name holds a NUL or half a surrogate pair.", pointer=pointer)
            if name in seen:
                return InvalidRequest("The member is named twice.", pointer=here)
            seen.add(name)
            fault = _fault_in(member, here)
            if fault is not None:
                return fault
    elif isinstance(value, list):
        for place, item in enumerate(value):
            fault = _fault_in(item, f"{pointer}/{place}")
            if fault is not None:
                return fault
    elif isinstance(value, str) and not _is_text(value):
        return InvalidRequest("The text holds a NUL or half a surrogate pair.", pointer=pointer)
    return None


def _is_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _refusal(message: str) -> InvalidRequest:
    """msgspec's words and path as a refusal; a value that it quotes is left out."""
    unknown = _UNKNOWN.fullmatch(message)
    if unknown is not None:
        pointer = f"{_pointer(unknown['path'])}/{escape(unknown[1])}"
        return InvalidRequest("There is no such field.", pointer=pointer)
    parts = _AT.fullmatch(message)
    assert parts is not None
    words, pointer = parts["words"], _pointer(parts["path"])
    missing = _MISSING.fullmatch(words)
    if missing is not None:
        return InvalidRequest("The field is needed.", pointer=f"{pointer}/{escape(missing[1])}")
    if words.startswith("Invalid enum value"):
        words = "Not one of the allowed values; /schema lists them"
    return InvalidRequest(f"{words}.", pointer=pointer)


def _pointer(path: str | None) -> str:
    """`$.a[0].b` as `/a/0/b`. Where msgspec does not say which member of a map it was, the map is named."""
    pointer = ""
    for name, place, unnamed in _STEP.findall((path or "$").removeprefix("key in ")):
        if unnamed:
            break
        pointer += f"/{escape(name or place)}"
    return pointer
