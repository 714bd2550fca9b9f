"""Reading the stream back: a Kafka message of `.changes.v1` as the change it tells (docs/EVENTS.md).

Consumers of other systems do the same with the proto file and their own Kafka client.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import msgspec
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from consent_service.domain.changes import ConsentChange
from consent_service.domain.records import Preferences
from consent_service.domain.values import Reason
from consent_service.events.encode import CHANGED, CONTENT_TYPE
from consent_service.events.pb.consent.v1 import events_pb2 as pb
from consent_service.events.vocabulary import BASES, CAUSES, COMMANDS, REASONS, STATUSES


class NotAChange(Exception):
    """The message is not one that this reader understands; it says why, without the message's content."""


class KafkaRecord(Protocol):
    """What of aiokafka's ConsumerRecord is read here."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


class ReceivedChange(msgspec.Struct, frozen=True):
    """A change and what its envelope adds. `event_id` and `source` together name the event."""

    event_id: str
    source: str
    change: ConsentChange
    traceparent: str | None = None


def read_change(record: KafkaRecord) -> ReceivedChange:
    """Decode and check one message of `.changes.v1`. Raises NotAChange.

    A permission whose status or reason is a word of a later release is read as not allowed.
    """
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    _expect("content-type", headers.get("content-type"), CONTENT_TYPE)
    _expect("ce_specversion", headers.get("ce_specversion"), "1.0")
    _expect("ce_type", headers.get("ce_type"), CHANGED)
    if record.value is None:
        raise NotAChange("the message has no value")
    message = pb.ConsentChange()
    try:
        message.ParseFromString(record.value)
        change = _change(message)
    except (DecodeError, ValueError) as error:
        raise NotAChange("the value is no consent.v1.ConsentChange") from error
    _expect("ce_id", headers.get("ce_id"), str(change.record_id))
    _expect("ce_source", headers.get("ce_source"), "urn:consent-service:" + change.controller)
    _expect("ce_sequence", headers.get("ce_sequence"), f"{change.sequence:020}")
    if record.key != message.subject_id.encode():
        raise NotAChange("the key is not the subject's id")
    return ReceivedChange(headers["ce_id"], headers["ce_source"], change, headers.get("traceparent"))


def _expect(name: str, found: str | None, wanted: str) -> None:
    if found != wanted:
        raise NotAChange(f"header {name} does not fit" if found is not None else f"header {name} is missing")


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
        legal_bases=tuple(
            basis for number in message.legal_bases if (basis := BASES.word(number)) is not None
        ),
        preferences=_preferences(message.preferences) if message.HasField("preferences") else None,
        source=message.source if message.HasField("source") else None,
        recorded_at=_time(message.recorded_at),
        occurred_at=_time(message.occurred_at) if message.HasField("occurred_at") else None,
        effective_at=_time(message.effective_at),
        cause=CAUSES.word(message.cause),
        superseded=message.superseded,
        replayed=message.replayed,
        ledger_epoch=message.ledger_epoch,
    )


def _permission(message: pb.ConsentChange) -> tuple[bool | None, Reason | None, datetime | None]:
    if not message.HasField("permission"):
        return None, None, None
    told = message.permission
    reason = REASONS.word(told.reason)
    understood = reason is not None and STATUSES.word(message.status) is not None
    return told.allowed and understood, reason, _time(told.until) if told.HasField("until") else None


def _preferences(message: pb.Preferences) -> Preferences:
    return Preferences(
        channels=tuple(message.channels),
        topics=tuple(message.topics),
        frequency=message.frequency if message.HasField("frequency") else None,
    )


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
