"""What every Kafka message of the service has in common: CloudEvents 1.0 in binary mode, protobuf inside (R26).

Both ways: what encodes and what reads the topics build on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from consent_service.domain.partitions import partition_of

CONTENT_TYPE = "application/protobuf"
SOURCE = "urn:consent-service:"

Header = tuple[str, bytes]

_CONSTANT_HEADERS: tuple[Header, ...] = (("content-type", CONTENT_TYPE.encode()), ("ce_specversion", b"1.0"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Message(msgspec.Struct, frozen=True):
    """One Kafka message, but for its partition, which needs the number that its topic has."""

    topic: str
    key: bytes
    value: bytes | None
    """None: of this key nothing stands any more."""
    headers: tuple[Header, ...]
    hashed: int
    """The subject's hash; 0 where no subject is concerned."""

    def partition(self, partitions: int) -> int:
        return partition_of(self.hashed, partitions)


class NotUnderstood(Exception):
    """The message is not one that this reader understands; it says why, without the message's content."""


class KafkaRecord(Protocol):
    """What of aiokafka's ConsumerRecord is read here."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


def envelope(*, event_id: str, event_type: str, controller: str) -> tuple[Header, ...]:
    """The headers that every event has."""
    return (
        *_CONSTANT_HEADERS,
        ("ce_id", event_id.encode()),
        ("ce_source", f"{SOURCE}{controller}".encode()),
        ("ce_type", event_type.encode()),
    )


def headers_of(record: KafkaRecord) -> dict[str, str]:
    """The headers as text; Kafka also knows headers without a value, which are empty here."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}


def type_of(record: KafkaRecord) -> str | None:
    """The header `ce_type`, which tells what kind of message it is."""
    for name, value in record.headers:
        if name == "ce_type":
            return (value or b"").decode("utf-8", "replace")
    return None


def check_envelope(headers: Mapping[str, str], event_type: str) -> None:
    """Raises NotUnderstood unless it is a CloudEvent of that type with protobuf inside."""
    expect("content-type", headers.get("content-type"), CONTENT_TYPE)
    expect("ce_specversion", headers.get("ce_specversion"), "1.0")
    expect("ce_type", headers.get("ce_type"), event_type)


def expect(name: str, found: str | None, wanted: str) -> None:
    """Raises NotUnderstood where a header is not what the value demands."""
    if found != wanted:
        raise NotUnderstood(
            f"header {name} does not fit" if found is not None else f"header {name} is missing"
        )


def stamp(field: Timestamp, time: datetime) -> None:
    """Exact to the microsecond; protobuf's own conversion takes several times as long."""
    since = time - _EPOCH
    field.seconds = since.days * 86_400 + since.seconds
    field.nanos = since.microseconds * 1000


def to_stamp(time: datetime) -> Timestamp:
    """The same, as a value of its own."""
    made = Timestamp()
    stamp(made, time)
    return made


def from_stamp(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
