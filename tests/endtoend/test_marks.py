"""The search for marked values finds them in every form in which they could have come out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.endtoend.marks import leaks, mark

MARK = mark("email", "{}@marked.example")

#: How something could come out, from the value that was sent.
FORMS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "in capital letters": lambda value: value.upper().encode(),
    "in hexadecimal, as PostgreSQL dumps bytes": lambda value: rb"\x" + value.encode().hex().encode(),
    "in hexadecimal, in capital letters": lambda value: value.encode().hex().upper().encode(),
    "in an address": lambda value: quote(value, safe="").encode(),
    "all percent-encoded": lambda value: "".join(f"%{byte:02X}" for byte in value.encode()).encode(),
    "as Python shows bytes": lambda value: repr(value.encode()).encode(),
    "escaped in JSON": lambda value: "".join(f"\\u{ord(sign):04X}" for sign in value).encode(),
    "in a document": lambda value: json.dumps({"a": [{value: 1}]}).encode(),
    "in base64": lambda value: base64.b64encode(value.encode()),
    "in base64, behind one byte": lambda value: base64.b64encode(b"x" + value.encode() + b"y"),
    "in base64, behind two": lambda value: base64.b64encode(b"xy" + value.encode()),
    "in base64, in capital letters": lambda value: base64.b64encode(value.upper().encode()),
    "in base64 of addresses": lambda value: base64.urlsafe_b64encode(b"??>" + value.encode()),
    "as a digest": lambda value: hashlib.sha256(value.encode()).digest(),
    "as a digest in hexadecimal": lambda value: hashlib.sha256(value.encode()).hexdigest().encode(),
    "as a short digest": lambda value: (
        hashlib.md5(value.encode(), usedforsecurity=False).hexdigest().encode()
    ),
    "as a digest in base64": lambda value: base64.b64encode(
        hashlib.sha1(value.encode(), usedforsecurity=False).digest()
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_mark_is_found_in_every_form(form: str) -> None:
    around = b"something before " + FORMS[form](MARK.value) + b" and behind"

    assert len(leaks({"a log": around}, [MARK], {})) == 1
    assert leaks({"a log": around}, [MARK], {"a log": ("email",)}) == []
    assert len(leaks({"a log": around}, [MARK], {"another": ("email",), "a log": ("phone",)})) == 1


def test_other_values_are_no_mark() -> None:
    other = mark("email", "{}@marked.example")
    everything = b"\n".join(form(other.value) for form in FORMS.values())

    assert leaks({"a log": everything}, [MARK], {}) == []
