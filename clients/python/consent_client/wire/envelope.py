"""The headers of every message: CloudEvents 1.0, binary mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from consent_client.errors import NotUnderstood

CONTENT_TYPE = "application/protobuf"
SOURCE = "urn:consent-service:"

CHANGED = "consent.changed.v1"
STATE = "consent.state.v1"
PURPOSE_PUBLISHED = "consent.purpose.published.v1"
HEARTBEAT = "consent.heartbeat.v1"
ACKNOWLEDGED = "consent.acknowledged.v1"
DEAD_LETTER = "consent.dead_letter.v1"

Header = tuple[str, bytes]
_CONSTANT: tuple[Header, ...] = (("content-type", CONTENT_TYPE.encode()), ("ce_specversion", b"1.0"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KafkaMessage(Protocol):
    """What of a consumed message is read."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


class Outgoing(msgspec.Struct, frozen=True):
    """A message to send: the key decides the partition, by Kafka's own murmur2."""

    key: bytes
    value: bytes
    headers: tuple[Header, ...]


def type_of(message: KafkaMessage) -> str | None:
    """The header `ce_type`: what kind of message it is."""
    for name, value in message.headers:
        if name == "ce_type":
            return (value or b"").decode("utf-8", "replace")
    return None


def read_headers(message: KafkaMessage, event_type: str) -> Mapping[str, str]:
    """The headers of a CloudEvent of that type with protobuf inside. Raises NotUnderstood."""
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in message.headers}
    expect(headers, "content-type", CONTENT_TYPE)
    expect(headers, "ce_specversion", "1.0")
    expect(headers, "ce_type", event_type)
    return headers


def expect(headers: Mapping[str, str], name: str, wanted: str) -> None:
    """Raises NotUnderstood where a header is not what type or value demand."""
    if headers.get(name) != wanted:
        raise NotUnderstood(f"header {name} {'does not fit' if name in headers else 'is missing'}")


def envelope(event_id: str, event_type: str, source: str) -> tuple[Header, ...]:
    """What every message starts with; `source` is the controller, or the recipient that speaks."""
    return (
        *_CONSTANT,
        ("ce_id", event_id.encode()),
        ("ce_source", f"{SOURCE}{source}".encode()),
        ("ce_type", event_type.encode()),
    )


def from_stamp(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def to_stamp(time: datetime) -> Timestamp:
    """Exact to the microsecond."""
    since = time - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)
