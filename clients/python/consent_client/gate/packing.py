"""What is known of one subject and purpose, packed into an integer: 48 bytes, whatever it says.

From the lowest bit on: status, reason, whether it was told as allowed, standing version, until, sequence, ledger epoch.
What lies above `ORDER` tells which of two is the newer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from consent_client.gate.moments import from_microseconds, microseconds
from consent_client.words import Reason, Status

REASON = 4
ALLOWED = 9
VERSION = 10
UNTIL = 42
ORDER = 100
EPOCH = 140

CODES = 1 << VERSION
"""So many combinations of status, reason and permission there are."""
VERSIONS = (1 << UNTIL - VERSION) - 1
UNTILS = (1 << ORDER - UNTIL) - 1
SEQUENCES = (1 << EPOCH - ORDER) - 1
EPOCHS = (1 << 32) - 1
"""Of every number there is place for so much."""
LATEST = microseconds(datetime.max.replace(tzinfo=UTC))
_STATUSES = (1 << REASON) - 1
_REASONS = (1 << ALLOWED - REASON) - 1

STATUS_NUMBERS = {status: number for number, status in enumerate(Status, 1)}
REASON_NUMBERS = {reason: number for number, reason in enumerate(Reason, 1)}
_STATUS_WORDS = {number: status for status, number in STATUS_NUMBERS.items()}
_REASON_WORDS = {number: reason for reason, number in REASON_NUMBERS.items()}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What was last told. A status or reason that was not understood is None."""

    status: Status | None
    reason: Reason | None
    allowed: bool
    version: int | None
    until: datetime | None
    sequence: int
    epoch: int


def code(status: Status | None, reason: Reason | None, allowed: bool) -> int:
    """Numbers of this process's own; 0 for a word that was not understood."""
    told = STATUS_NUMBERS[status] if status is not None else 0
    why = REASON_NUMBERS[reason] if reason is not None else 0
    return told | why << REASON | allowed << ALLOWED


def pack(known: Known) -> int:
    """Raises ValueError where a number is beyond all reason."""
    version, sequence, epoch = known.version or 0, known.sequence, known.epoch
    # Whatever ended before 1970 has ended.
    until = 0 if known.until is None else max(microseconds(known.until), 1)
    if until > LATEST:
        raise ValueError("an end is beyond all times")
    if not (0 <= version <= VERSIONS and 0 <= sequence <= SEQUENCES and 0 <= epoch <= EPOCHS):
        raise ValueError("a number is below 0 or too large")
    return (
        code(known.status, known.reason, known.allowed)
        | version << VERSION
        | until << UNTIL
        | sequence << ORDER
        | epoch << EPOCH
    )


def unpack(packed: int) -> Known:
    until = packed >> UNTIL & UNTILS
    return Known(
        status=_STATUS_WORDS.get(packed & _STATUSES),
        reason=_REASON_WORDS.get(packed >> REASON & _REASONS),
        allowed=bool(packed >> ALLOWED & 1),
        version=packed >> VERSION & VERSIONS or None,
        until=from_microseconds(until) if until else None,
        sequence=packed >> ORDER & SEQUENCES,
        epoch=packed >> EPOCH,
    )


def every_code() -> Iterable[tuple[int, Status | None, Reason | None, bool]]:
    for number in range(CODES):
        status, reason = _STATUS_WORDS.get(number & _STATUSES), _REASON_WORDS.get(number >> REASON & _REASONS)
        yield number, status, reason, bool(number >> ALLOWED & 1)
