"""Values that nothing else looks like, the forms in which they could leak, and a search for them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import quote

import msgspec


class Mark(msgspec.Struct, frozen=True):
    """`text` is the part that is looked for; it stands in `value`, which is what is sent."""

    kind: str
    text: str
    value: str


def mark(kind: str, pattern: str = "{}") -> Mark:
    """A new one: lower-case letters and digits, in a value of this pattern."""
    text = f"mk{kind.replace('-', '')}{secrets.token_hex(6)}"
    return Mark(kind, text, pattern.format(text))


def mark_of_digits(kind: str, pattern: str = "{}") -> Mark:
    text = "7" + "".join(secrets.choice("0123456789") for _ in range(11))
    return Mark(kind, text, pattern.format(text))


def forms(mark: Mark) -> set[bytes]:
    """How the text may stand in bytes, in lower case but for what is base64."""
    raw = mark.text.encode()
    found = {raw.lower(), raw.hex().encode(), quote(mark.text, safe="").lower().encode()}
    found.add("".join(f"%{byte:02x}" for byte in raw).encode())
    found.add("".join(f"\\x{byte:02x}" for byte in raw).encode())
    found.add("".join(f"\\u{byte:04x}" for byte in raw).encode())
    return found


def exact_forms(mark: Mark) -> set[bytes]:
    """The same for forms in which capital letters count: base64 at each offset, digests that need no key."""
    found: set[bytes] = set()
    for text in (mark.text, mark.text.upper(), mark.value):
        for offset in range(3):
            found |= set(_in_base64(text.encode(), offset))
    for text in (mark.text, mark.value):
        for name in ("md5", "sha1", "sha256", "sha512"):
            digest = hashlib.new(name, text.encode(), usedforsecurity=False).digest()
            found |= {
                digest,
                digest.hex().encode(),
                base64.b64encode(digest),
                base64.urlsafe_b64encode(digest),
            }
    return found


def _in_base64(raw: bytes, offset: int) -> Iterable[bytes]:
    """What stands for these bytes behind so many others, without the letters that depend on what is around."""
    first = -(-offset * 8 // 6)
    last = (offset + len(raw)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(bytes(offset) + raw)[first:last]


def leaks(
    outputs: Mapping[str, bytes], marks: Collection[Mark], allowed: Mapping[str, Collection[str]]
) -> list[str]:
    """Each mark that stands in an output where `allowed` (by output, kinds of marks) does not have it."""
    found = []
    for name, content in outputs.items():
        lower = content.lower()
        for one in marks:
            if one.kind in allowed.get(name, ()):
                continue
            at = [place for form in forms(one) if (place := lower.find(form)) >= 0]
            at += [place for form in exact_forms(one) if (place := content.find(form)) >= 0]
            if at:
                around = content[max(0, min(at) - 120) : min(at) + 120]
                found.append(f"{one.kind} in {name}: {around!r}")
    return found
