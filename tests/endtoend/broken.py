"""Bodies with a value in every place where it makes them wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def broken(body: Any, value: str) -> Iterator[bytes]:
    """The body with this value where it makes it wrong."""
    text = json.dumps(body)
    yield f"{text[:-1]}".encode()
    yield f"{text} {value}".encode()
    yield f"{value}{text}".encode()
    yield value.encode("utf-16")
    yield f'{{"a": "{value}", "a": "{value}"}}'.encode()
    yield f'{{"a": "{value}\\u0000"}}'.encode()
    yield b"[" * 5_000 + value.encode()
    for changed in ({**body, "more": value}, [value], value, *with_member(body, value)):
        yield json.dumps(changed).encode()


def with_member(body: dict[str, Any], value: str) -> Iterator[Any]:
    """Each member, also of what is inside, as the value or something that holds it; texts for everybody stay."""
    for name, member in body.items():
        for wrong in (value, [value], {"value": value}, [[value]]):
            yield {**body, name: wrong}
        if isinstance(member, dict) and name not in ("evidence", "notices"):
            yield from ({**body, name: inner} for inner in with_member(member, value))
        if isinstance(member, list) and isinstance(member[0], dict):
            yield from ({**body, name: [inner]} for inner in with_member(member[0], value))
