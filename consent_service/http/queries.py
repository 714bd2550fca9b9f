"""The query string: known parameters only, each at most once; limits and cursors of lists (API, manners)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

import msgspec

from consent_service.domain.errors import InvalidRequest, InvalidValue
from consent_service.domain.values import LATEST

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000

#: Nobody agreed to anything here before; years of fewer than four digits have no text form either.
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LIMIT = re.compile(r"[0-9]{1,6}")
CURSOR_LENGTH_MAX = 200
_CURSOR = re.compile(r"[A-Za-z0-9_-]+")
_WITH_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)


def read_query(query: bytes, known: Collection[str]) -> dict[str, str]:
    """The parameters by name. Raises InvalidRequest for an unknown or repeated one, and for no UTF-8 text."""
    found: dict[str, str] = {}
    for part in query.split(b"&") if query else ():
        name, _, value = part.partition(b"=")
        parameter = _text(name, "")
        if parameter not in known:
            there_are = ", ".join(sorted(known)) or "none"
            raise InvalidRequest(
                f"There is no such query parameter here; there are: {there_are}.", parameter=parameter[:64]
            )
        if parameter in found:
            raise InvalidRequest("The parameter is given twice.", parameter=parameter)
        found[parameter] = _text(value, parameter)
    return found


def _text(raw: bytes, parameter: str) -> str:
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The parameter is not UTF-8.", parameter=parameter) from None
    if "\0" in text:
        raise InvalidRequest("The parameter holds a NUL.", parameter=parameter)
    return text


def read_limit(query: dict[str, str]) -> int:
    """How many items a page has: 1 to 1,000."""
    text = query.get("limit")
    if text is None:
        return LIMIT_DEFAULT
    if _LIMIT.fullmatch(text) is None or not 1 <= int(text) <= LIMIT_MAX:
        raise InvalidRequest(f"A limit is a number from 1 to {LIMIT_MAX}.", parameter="limit")
    return int(text)


def read_moment(query: dict[str, str], parameter: str = "as_of") -> datetime | None:
    """An RFC 3339 time with its zone, in UTC; null where the parameter is absent."""
    text = query.get(parameter)
    if text is None:
        return None
    if _WITH_ZONE.fullmatch(text) is None:
        raise InvalidRequest(
            "A time is written like 2026-01-31T12:00:00Z (a + must be sent as %2B).", parameter=parameter
        )
    try:
        moment = msgspec.convert(text.upper(), datetime)
    except msgspec.ValidationError:
        raise InvalidRequest("There is no such time.", parameter=parameter) from None
    return in_utc(moment, parameter=parameter)


def in_utc(moment: datetime, *, pointer: str | None = None, parameter: str | None = None) -> datetime:
    """The same moment in UTC, at most the latest that is kept. Raises InvalidValue before 1900."""
    try:
        in_zone = min(moment.astimezone(UTC), LATEST)
    except OverflowError:
        in_zone = LATEST if moment.year > 9000 else _FIRST
    if in_zone < EARLIEST:
        raise InvalidValue("The time lies before 1900.", pointer=pointer, parameter=parameter)
    return in_zone


def write_cursor(key: str) -> str:
    """A place in a list as text that means nothing to the caller."""
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def read_cursor(query: dict[str, str], length_max: int = CURSOR_LENGTH_MAX) -> str | None:
    """The place after which a page begins, as `write_cursor` was given it. Raises InvalidRequest."""
    text = query.get("after")
    if text is None:
        return None
    if len(text) > length_max or _CURSOR.fullmatch(text) is None:
        raise refuse_cursor()
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise refuse_cursor() from None
    if "\0" in key or write_cursor(key) != text:
        raise refuse_cursor()
    return key


def refuse_cursor() -> InvalidRequest:
    return InvalidRequest("This is no cursor: send the `next` of an earlier answer.", parameter="after")
