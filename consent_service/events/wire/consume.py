"""Reading the stream back: messages of `.changes.v1` and `.state.v1` as what they tell (docs/EVENTS.md).

Consumers of other systems do the same with the proto file and their own Kafka client.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from google.protobuf.message import DecodeError

from consent_service.domain.changes import ConsentChange, ConsentState
from consent_service.domain.records import Preferences
from consent_service.domain.values import Basis, Reason
from consent_service.events.wire.encode import CHANGED, PURPOSE_PUBLISHED, STATE, state_event_id
from consent_service.events.wire.messages import (
    SOURCE,
    KafkaRecord,
    NotUnderstood,
    check_envelope,
    expect,
    from_stamp,
    headers_of,
)
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from consent_service.events.wire.vocabulary import BASES, CAUSES, COMMANDS, REASONS, STATUSES


class ReceivedChange(msgspec.Struct, frozen=True):
    """A change and what its envelope adds. `event_id` and `source` together name the event."""

    event_id: str
    source: str
    change: ConsentChange
    traceparent: str | None = None


class ReceivedPurpose(msgspec.Struct, frozen=True):
    """`ledger_epoch` is None for a tombstone."""

    controller: str
    purpose: str
    ledger_epoch: int | None


def read_change(record: KafkaRecord) -> ReceivedChange:
    """Decode and check one change, a message of `.changes.v1` that is no heartbeat. Raises NotUnderstood.

    A permission whose status or reason is a word of a later release is read as not allowed.
    """
    headers = headers_of(record)
    check_envelope(headers, CHANGED)
    if record.value is None:
        raise NotUnderstood("the message has no value")
    message = pb.ConsentChange()
    try:
        message.ParseFromString(record.value)
        change = _change(message)
    except (DecodeError, ValueError) as error:
        raise NotUnderstood("the value is no consent.v1.ConsentChange") from error
    expect("ce_id", headers.get("ce_id"), str(change.record_id))
    expect("ce_source", headers.get("ce_source"), SOURCE + change.controller)
    expect("ce_sequence", headers.get("ce_sequence"), f"{change.sequence:020}")
    if record.key != message.subject_id.encode():
        raise NotUnderstood("the key is not the subject's id")
    return ReceivedChange(headers["ce_id"], headers["ce_source"], change, headers.get("traceparent"))


def read_state(record: KafkaRecord) -> ConsentState | None:
    """Decode and check one state, a message of `.state.v1` that is no heartbeat; None for a tombstone.

    Raises NotUnderstood.
    """
    if record.value is None:
        return None
    headers = headers_of(record)
    check_envelope(headers, STATE)
    message = pb.ConsentState()
    try:
        message.ParseFromString(record.value)
        state = _state(message)
    except (DecodeError, ValueError) as error:
        raise NotUnderstood("the value is no consent.v1.ConsentState") from error
    expect("ce_id", headers.get("ce_id"), state_event_id(state))
    expect("ce_source", headers.get("ce_source"), SOURCE + state.controller)
    pair = message.subject_id + (f"/{state.purpose}" if state.purpose is not None else "")
    if record.key != f"{state.controller}/{pair}".encode():
        raise NotUnderstood("the key does not name what the value tells")
    return state


def read_purpose(record: KafkaRecord) -> ReceivedPurpose:
    """Whose purpose a message of `.purposes.v1` is about that is no heartbeat. Raises NotUnderstood."""
    check_envelope(headers_of(record), PURPOSE_PUBLISHED)
    controller, _, purpose = (record.key or b"").decode("utf-8", "replace").partition("/")
    if record.value is None:
        return ReceivedPurpose(controller, purpose, None)
    message = pb.PurposePublished()
    try:
        message.ParseFromString(record.value)
    except DecodeError as error:
        raise NotUnderstood("the value is no consent.v1.PurposePublished") from error
    if (message.controller, message.purpose) != (controller, purpose):
        raise NotUnderstood("the key does not name what the value tells")
    return ReceivedPurpose(controller, purpose, message.ledger_epoch)


def _change(message: pb.ConsentChange) -> ConsentChange:
    allowed, reason, until = _permission(message)
    return ConsentChange(
        record_id=UUID(message.record_id),
        controller=message.controller,
        subject_id=UUID(message.subject_id),
        sequence=message.sequence,
        purpose=message.purpose if message.HasField("purpose") else None,
        command=COMMANDS.word(message.command),
        status=STATUSES.word(message.status),
        allowed=allowed,
        reason=reason,
        until=until,
        version=message.version if message.HasField("version") else None,
        standing_version=message.standing_version if message.HasField("standing_version") else None,
        governing_version=message.governing_version if message.HasField("governing_version") else None,
        legal_bases=_bases(message.legal_bases),
        preferences=_preferences(message.preferences) if message.HasField("preferences") else None,
        source=message.source if message.HasField("source") else None,
        recorded_at=from_stamp(message.recorded_at),
        occurred_at=from_stamp(message.occurred_at) if message.HasField("occurred_at") else None,
        effective_at=from_stamp(message.effective_at),
        cause=CAUSES.word(message.cause),
        superseded=message.superseded,
        replayed=message.replayed,
        ledger_epoch=message.ledger_epoch,
    )


def _state(message: pb.ConsentState) -> ConsentState:
    allowed, reason, until = _permission(message)
    return ConsentState(
        controller=message.controller,
        subject_id=UUID(message.subject_id),
        purpose=message.purpose if message.HasField("purpose") else None,
        sequence=message.sequence,
        record_id=UUID(message.record_id) if message.record_id else None,
        status=STATUSES.word(message.status),
        allowed=bool(allowed),
        reason=reason,
        until=until,
        standing_version=message.standing_version if message.HasField("standing_version") else None,
        legal_bases=_bases(message.legal_bases),
        preferences=_preferences(message.preferences) if message.HasField("preferences") else None,
        recorded_at=from_stamp(message.recorded_at) if message.HasField("recorded_at") else None,
        effective_at=from_stamp(message.effective_at) if message.HasField("effective_at") else None,
        ledger_epoch=message.ledger_epoch,
        merged_into=UUID(message.merged_into) if message.HasField("merged_into") else None,
    )


def _bases(numbers: Iterable[int]) -> tuple[Basis, ...]:
    return tuple(basis for number in numbers if (basis := BASES.word(number)) is not None)


def _permission(
    message: pb.ConsentChange | pb.ConsentState,
) -> tuple[bool | None, Reason | None, datetime | None]:
    if not message.HasField("permission"):
        return None, None, None
    told = message.permission
    reason = REASONS.word(told.reason)
    understood = reason is not None and STATUSES.word(message.status) is not None
    return told.allowed and understood, reason, from_stamp(told.until) if told.HasField("until") else None


def _preferences(message: pb.Preferences) -> Preferences:
    return Preferences(
        channels=tuple(message.channels),
        topics=tuple(message.topics),
        frequency=message.frequency if message.HasField("frequency") else None,
    )
