"""Heartbeats: on every partition, how far behind a group of shards is (R30).

A consumer tells quiet from broken by them; and since a new holder of a group speaks first on every partition, the
broker refuses from then on what the holder before it still sends (docs/decisions/0008-fencing.md).
"""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from consent_service.domain.changes import Heartbeat
from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.events.wire.messages import (
    SOURCE,
    Header,
    KafkaRecord,
    NotUnderstood,
    check_envelope,
    envelope,
    expect,
    from_stamp,
    headers_of,
    to_stamp,
    type_of,
)
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb

HEARTBEAT = "consent.heartbeat.v1"
#: A group that tells of an event which has waited since then is not up to date at all: its topics are being filled.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
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
    return (
        heartbeat_key(heartbeat.shard_group),
        message.SerializeToString(deterministic=True),
        envelope(event_id=_event_id(heartbeat), event_type=HEARTBEAT, controller=_SPEAKER),
    )


def is_heartbeat(record: KafkaRecord) -> bool:
    return type_of(record) == HEARTBEAT


def read_heartbeat(record: KafkaRecord) -> Heartbeat:
    """Decode and check one heartbeat. Raises NotUnderstood."""
    headers = headers_of(record)
    check_envelope(headers, HEARTBEAT)
    if record.value is None:
        raise NotUnderstood("the message has no value")
    message = pb.Heartbeat()
    try:
        message.ParseFromString(record.value)
        heartbeat = Heartbeat(
            shard_group=message.shard_group,
            at=from_stamp(message.at),
            oldest_unpublished=message.oldest_unpublished.ToTimedelta(),
            ledger_epoch=message.ledger_epoch,
        )
    except (DecodeError, ValueError, OverflowError) as error:
        raise NotUnderstood("the value is no consent.v1.Heartbeat") from error
    if message.shard_groups != SHARD_GROUPS:
        raise NotUnderstood(f"the shards are in other groups than the {SHARD_GROUPS} known here")
    expect("ce_id", headers.get("ce_id"), _event_id(heartbeat))
    expect("ce_source", headers.get("ce_source"), SOURCE + _SPEAKER)
    if record.key != heartbeat_key(heartbeat.shard_group):
        raise NotUnderstood("the key does not name the group that speaks")
    return heartbeat


def _event_id(heartbeat: Heartbeat) -> str:
    return f"heartbeat/{heartbeat.shard_group}/{heartbeat.at:%Y%m%dT%H%M%S.%fZ}"
