"""Places in a topic as text that means nothing to the caller: the ids of the HTTP feed's events (R32).

Inside: a version byte, eight bytes that name the topic in one of its lives, the next offset of every partition, and
a checksum. A topic that is deleted and made anew has another life, so no place of the old one fits it. It is the same
with a new ledger epoch: of what the ledger lost the changes say nothing, so everybody begins with a first look.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Sequence
from hashlib import sha256
from uuid import UUID

from consent_service.domain.errors import InvalidRequest

_VERSION = b"\x01"
_MARK_BYTES = 8
_CHECKSUM_BYTES = 4
_FORM = re.compile(r"[A-Za-z0-9_-]{1,4000}")
_OFFSET_MAX = (1 << 63) - 1


def mark_of(topic: str, topic_id: UUID, ledger_epoch: int) -> bytes:
    """What names a topic in one of its lives, in one ledger epoch."""
    named = topic.encode() + b"\0" + topic_id.bytes + ledger_epoch.to_bytes(8, "big")
    return sha256(named).digest()[:_MARK_BYTES]


class Place:
    """The next offset of every partition of one topic, partition by partition; it only goes on."""

    __slots__ = ("_parts", "_token", "mark", "offsets")

    def __init__(self, mark: bytes, offsets: Iterable[int]) -> None:
        self.mark = mark
        self.offsets = list(offsets)
        # Only one of them changes with an event.
        self._parts = [_varint(offset) for offset in self.offsets]
        self._token: bytes | None = None

    def advance(self, partition: int, offset: int) -> None:
        """Past what lies at this offset."""
        if offset >= self.offsets[partition]:
            self.offsets[partition] = offset + 1
            self._parts[partition] = _varint(offset + 1)
            self._token = None

    def join(self, offsets: Sequence[int]) -> None:
        """Also past everything that lies before these."""
        for partition, offset in enumerate(offsets):
            self.advance(partition, offset - 1)

    def reaches(self, offsets: Sequence[int]) -> bool:
        """Whether everything before these lies before this place too."""
        return all(own >= other for own, other in zip(self.offsets, offsets, strict=True))

    def copy(self) -> Place:
        return Place(self.mark, self.offsets)

    @property
    def token(self) -> bytes:
        """The place as text."""
        if self._token is None:
            told = b"".join((_VERSION, self.mark, *self._parts))
            checksum = zlib.crc32(told).to_bytes(_CHECKSUM_BYTES, "big")
            self._token = base64.urlsafe_b64encode(told + checksum).rstrip(b"=")
        return self._token


def read_place(text: str) -> Place:
    """A place from its text. Raises InvalidRequest where no service has ever given this text away."""
    if _FORM.fullmatch(text) is None or len(text) % 4 == 1:
        raise _no_place()
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    told, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    head = len(_VERSION) + _MARK_BYTES
    if len(told) <= head or zlib.crc32(told).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
        raise _no_place()
    if not told.startswith(_VERSION):
        raise _no_place()
    place = Place(told[len(_VERSION) : head], _read_varints(told[head:]))
    if place.token.decode() != text:
        raise _no_place()
    return place


def _no_place() -> InvalidRequest:
    return InvalidRequest("This is no event id: send the `id` of an event, or the `resume` of `/v1/states`.")


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first, the top bit where more follow."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _read_varints(raw: bytes) -> list[int]:
    values: list[int] = []
    value = shift = 0
    for byte in raw:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
    if shift or max(values) > _OFFSET_MAX:
        raise _no_place()
    return values
