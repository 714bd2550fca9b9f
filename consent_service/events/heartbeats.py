"""Heartbeats: on every partition, how far behind a group of shards is (R30).

A consumer tells quiet from broken by them; and since a new holder of a group speaks first on every partition, the
broker refuses from then on what the holder before it still sends (docs/decisions/0008-fencing.md).
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from consent_service.domain.changes import Heartbeat
from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.events.messages import (
    Header,
    KafkaRecord,
    NotUnderstood,
    check_envelope,
    envelope,
    from_stamp,
    headers_of,
    to_stamp,
    type_of,
)
from consent_service.events.pb.consent.v1 import events_pb2 as pb

HEARTBEAT = "consent.heartbeat.v1"
#: Heartbeats are no controller's; the service itself speaks.
_SPEAKER = "relay"


def heartbeat_key(shard_group: int) -> bytes:
    return b"heartbeat/%d" % shard_group


def encode_heartbeat(heartbeat: Heartbeat) -> tuple[bytes, bytes, tuple[Header, ...]]:
    """Key, value and headers; the topic and the partition are the sender's choice."""
    oldest = Duration()
    oldest.FromTimedelta(heartbeat.oldest_unpublished)
    message = pb.Heartbeat(
        shard_group=heartbeat.shard_group,
        shard_groups=SHARD_GROUPS,
        at=to_stamp(heartbeat.at),
        oldest_unpublished=oldest,
        ledger_epoch=heartbeat.ledger_epoch,
    )
    event_id = f"heartbeat/{heartbeat.shard_group}/{heartbeat.at:%Y%m%dT%H%M%S.%fZ}"
    return (
        heartbeat_key(heartbeat.shard_group),
        message.SerializeToString(deterministic=True),
        envelope(event_id=event_id, event_type=HEARTBEAT, controller=_SPEAKER),
    )


def is_heartbeat(record: KafkaRecord) -> bool:
    return type_of(record) == HEARTBEAT


def read_heartbeat(record: KafkaRecord) -> Heartbeat:
    """Decode one heartbeat. Raises NotUnderstood."""
    check_envelope(headers_of(record), HEARTBEAT)
    message = pb.Heartbeat()
    try:
        message.ParseFromString(record.value or b"")
    except DecodeError as error:
        raise NotUnderstood("the value is no consent.v1.Heartbeat") from error
    return Heartbeat(
        shard_group=message.shard_group,
        at=from_stamp(message.at),
        oldest_unpublished=message.oldest_unpublished.ToTimedelta(),
        ledger_epoch=message.ledger_epoch,
    )
