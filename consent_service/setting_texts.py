"""From the text of a variable to its value.

Readers raise ValueError, and quote nothing of the text: it may be a secret, also where it was put into the wrong
variable, or stands where its name should.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import SplitResult, urlsplit

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ROLE = re.compile(r"consent_[a-z]{1,50}")
_HOST = r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]@,]+)"
_HOST_AND_PORT = re.compile(rf"{_HOST}:(?P<port>[0-9]{{1,5}})")
_DATABASE_HOST = re.compile(rf"{_HOST}?(:(?P<port>[0-9]{{1,5}}))?")
_OWN_HOST = re.compile(r"[0-9A-Za-z:._%-]{1,253}")
_PORT_MAX = 65_535
#: As large as PostgreSQL's and Kafka's own numbers.
_WHOLE = re.compile(r"-?[0-9]{1,9}")


def _pairs(text: str, name_form: re.Pattern[str]) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not all(name_form.fullmatch(name) and value for name, _, value in pairs):
        raise ValueError("must be name=value, several with commas between")
    read = {name: value for name, _, value in pairs}
    if len(read) < len(pairs):
        raise ValueError("names something twice")
    return read


def keys(text: str) -> dict[str, str]:
    """Two ids for the same bytes are refused: an identifier would have the same hash twice."""
    pairs = _pairs(text, _KEY_ID)
    keys: set[bytes] = set()
    for number, value in enumerate(pairs.values(), 1):
        try:
            raw = base64.b64decode(value, validate=True)
        except ValueError:
            raise ValueError(f"key number {number} is not base64") from None
        if len(raw) != 32:
            raise ValueError(f"key number {number} has {len(raw)} bytes, 32 are needed")
        if raw in keys:
            raise ValueError(f"key number {number} is another's bytes again")
        keys.add(raw)
    return pairs


def passwords(text: str) -> dict[str, str]:
    return _pairs(text, _ROLE)


def database(text: str) -> str:
    parts = _split(text)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if parts.scheme not in ("postgres", "postgresql") or not all(
        (found := _DATABASE_HOST.fullmatch(host)) and int(found["port"] or 1) <= _PORT_MAX for host in hosts
    ):
        raise ValueError(
            "must be a postgresql:// URL, with / ? # [ ] @ of a password as %2F %3F %23 %5B %5D %40"
        )
    return text


def host(text: str) -> str:
    if _OWN_HOST.fullmatch(text) is None:
        raise ValueError("must be the name or an address of this machine")
    return text


def url(text: str) -> str:
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    return text


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError("must be an address") from None


def brokers(text: str) -> str:
    for part in text.split(","):
        found = _HOST_AND_PORT.fullmatch(part.strip())
        if found is None or not 0 < int(found["port"]) <= _PORT_MAX:
            raise ValueError("must be host:port, several with commas between")
    return text


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise ValueError("must be a whole number of at most nine digits")
    return int(text)


def positive(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def port(text: str) -> int:
    value = _whole(text)
    if not 0 <= value <= _PORT_MAX:
        raise ValueError("must be a port: 0 to 65535")
    return value


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 < value < 86_400:
        raise ValueError("must be more than 0 and less than a day, in seconds")
    return value


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError(
            "must be networks such as 10.0.0.0/8, their host bits 0, several with commas between"
        ) from None


def limit(text: str) -> tuple[int, int]:
    """Requests and seconds."""
    requests, slash, seconds = text.partition("/")
    if not slash:
        raise ValueError("must be requests/seconds, such as 600/60")
    return positive(requests), positive(seconds)


def one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}")
        return text

    return read
