"""The bytes that a record is hashed as, and what is derived from them: chain and commitments (R21, CORE 18).

`docs/LEDGER.md` tells why, `clients/vectors/README.md` tells outsiders how, with vectors.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec

from consent_service.domain.records import Preferences, Record
from consent_service.domain.values import format_time

#: Stands before every encoding; another way of encoding takes another byte (R21).
FORMAT = b"\x01"
HASH_BYTES = 32
KEY_BYTES = 32

_ABSENT = b"\xff\xff\xff\xff"
_UUID_LENGTH = (16).to_bytes(4, "big")
_HASH_LENGTH = HASH_BYTES.to_bytes(4, "big")
_TRUE = b"\x00\x00\x00\x04true"
_FALSE = b"\x00\x00\x00\x05false"
_preferences_json = msgspec.json.Encoder(order="sorted")


def encode(record: Record) -> bytes:
    """The format byte, then the fields from `record_id` to `previous_hash` in order, each with its length.

    Two records that differ in one of these fields differ in these bytes. Raises ValueError where a hash or
    commitment is not 32 bytes long.
    """
    recorded_at = _time(record.recorded_at)
    # The same moment for all but dated facts, and writing a time is the dearest part.
    effective_at = recorded_at if record.effective_at == record.recorded_at else _time(record.effective_at)
    return b"".join(
        (
            FORMAT,
            _uuid(record.record_id),
            _text(record.controller),
            _uuid(record.subject_id),
            _number(record.sequence),
            _text(record.purpose),
            _text(record.command),
            _text(record.status),
            _number(record.version),
            _number(record.governing_version),
            recorded_at,
            _time(record.occurred_at),
            effective_at,
            _time(record.until),
            _boolean(record.allowed),
            _text(record.reason),
            _text(record.cause),
            _boolean(record.superseded),
            _preferences(record.preferences),
            _text(record.language),
            _hash(record.notice_hash),
            _text(record.channel),
            _text(record.source),
            _text(record.choice_id),
            _hash(record.screen_hash),
            _hash(record.actor_commitment),
            _hash(record.evidence_commitment),
            _hash(record.previous_hash),
        )
    )


def record_hash(record: Record) -> bytes:
    """SHA-256 of the encoding, 32 bytes; the `record_hash` that the record holds already plays no part."""
    return sha256(encode(record)).digest()


def genesis_hash(controller: str, subject_id: UUID) -> bytes:
    """What the first record of a subject has as its `previous_hash`, 32 bytes (R21, CORE 18)."""
    return sha256(f"consent-ledger:1\0{controller}\0{subject_id}".encode()).digest()


def salt(subject_key: bytes, record_id: UUID, field: str) -> bytes:
    """The 32 bytes that keep a record's field from being guessed; gone with the subject's key (CORE 18).

    `field` is the ASCII name of what is committed to: `actor` or `evidence`. Raises ValueError where the key
    is not 32 bytes long.
    """
    if len(subject_key) != KEY_BYTES:
        raise ValueError(f"a subject's key has {KEY_BYTES} bytes")
    return hkdf(subject_key, record_id.bytes, field.encode("ascii"), HASH_BYTES)


def commitment(subject_key: bytes, record_id: UUID, field: str, value: bytes) -> bytes:
    """What the skeleton says of a sealed detail: 32 bytes that only the detail and the key explain (CORE 18).

    `value` is the detail exactly as it is sealed. Raises ValueError as `salt` does.
    """
    return hmac.digest(salt(subject_key, record_id, field), value, "sha256")


def hkdf(key_material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF with SHA-256, extract and expand (RFC 5869). Raises ValueError above 8,160 bytes."""
    if length > 255 * HASH_BYTES:
        raise ValueError("HKDF with SHA-256 gives at most 8160 bytes")
    pseudorandom_key = hmac.digest(salt, key_material, "sha256")
    output = block = b""
    for counter in range(1, -(-length // HASH_BYTES) + 1):
        block = hmac.digest(pseudorandom_key, block + info + bytes((counter,)), "sha256")
        output += block
    return output[:length]


def _text(value: str | None) -> bytes:
    """Enumerations are text too: their members are strings."""
    if value is None:
        return _ABSENT
    content = value.encode()
    return len(content).to_bytes(4, "big") + content


def _number(value: int | None) -> bytes:
    return _ABSENT if value is None else _text(str(value))


def _time(value: datetime | None) -> bytes:
    return _ABSENT if value is None else _text(format_time(value))


def _uuid(value: UUID) -> bytes:
    return _UUID_LENGTH + value.bytes


def _hash(value: bytes | None) -> bytes:
    if value is None:
        return _ABSENT
    if len(value) != HASH_BYTES:
        raise ValueError(f"a hash or commitment has {HASH_BYTES} bytes, this one {len(value)}")
    return _HASH_LENGTH + value


def _boolean(value: bool | None) -> bytes:
    if value is None:
        return _ABSENT
    return _TRUE if value else _FALSE


def _preferences(value: Preferences | None) -> bytes:
    """RFC 8785; for a flat object of strings that is JSON with its members sorted and no blanks."""
    if value is None:
        return _ABSENT
    content = _preferences_json.encode(value)
    return len(content).to_bytes(4, "big") + content
