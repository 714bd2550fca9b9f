"""Events as Kafka messages: CloudEvents 1.0 in binary mode, protobuf inside (R26 to R28, CORE 20)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from consent_service.domain.changes import ConsentChange, PurposePublished, VersionTerms
from consent_service.domain.partitions import partition_of, subject_hash
from consent_service.domain.records import Preferences
from consent_service.domain.values import Reason, format_time
from consent_service.events.pb.consent.v1 import events_pb2 as pb
from consent_service.events.vocabulary import (
    BASES,
    CAUSES,
    COMMANDS,
    CONFIRMATIONS,
    REASONS,
    STATUSES,
    VERSION_CHANGES,
)

CHANGED = "consent.changed.v1"
PURPOSE_PUBLISHED = "consent.purpose.published.v1"
CONTENT_TYPE = "application/protobuf"

Header = tuple[str, bytes]

_CONSTANT_HEADERS: tuple[Header, ...] = (("content-type", CONTENT_TYPE.encode()), ("ce_specversion", b"1.0"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Message(msgspec.Struct, frozen=True):
    """One Kafka message, but for its partition, which needs the number that its topic has."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[Header, ...]
    hashed: int
    """The subject's hash; 0 where no subject is concerned."""

    def partition(self, partitions: int) -> int:
        return partition_of(self.hashed, partitions)


def changes_topic(prefix: str) -> str:
    return prefix + ".changes.v1"


def purposes_topic(prefix: str) -> str:
    return prefix + ".purposes.v1"


def encode(
    event: ConsentChange | PurposePublished, topic_prefix: str, traceparent: str | None = None
) -> Message:
    """The message of an event: the same event gives the same bytes."""
    if isinstance(event, ConsentChange):
        return _encode_change(event, topic_prefix, traceparent)
    return _encode_purpose(event, topic_prefix, traceparent)


def _encode_change(change: ConsentChange, topic_prefix: str, traceparent: str | None) -> Message:
    subject = str(change.subject_id)
    key = subject.encode()
    return Message(
        topic=changes_topic(topic_prefix),
        key=key,
        value=_change(change).SerializeToString(deterministic=True),
        headers=_headers(
            event_id=str(change.record_id),
            event_type=CHANGED,
            controller=change.controller,
            subject=subject if change.purpose is None else f"{subject}/{change.purpose}",
            time=change.effective_at,
            recorded_at=change.recorded_at,
            sequence=change.sequence,
            key=key,
            traceparent=traceparent,
        ),
        hashed=subject_hash(change.subject_id),
    )


def _encode_purpose(event: PurposePublished, topic_prefix: str, traceparent: str | None) -> Message:
    key = f"{event.controller}/{event.purpose}".encode()
    return Message(
        topic=purposes_topic(topic_prefix),
        key=key,
        value=_purpose(event).SerializeToString(deterministic=True),
        headers=_headers(
            event_id=f"{event.purpose}/{event.version}",
            event_type=PURPOSE_PUBLISHED,
            controller=event.controller,
            subject=event.purpose,
            time=event.published_at,
            recorded_at=event.published_at,
            sequence=event.version,
            key=key,
            traceparent=traceparent,
        ),
        hashed=0,
    )


def _headers(
    *,
    event_id: str,
    event_type: str,
    controller: str,
    subject: str,
    time: datetime,
    recorded_at: datetime,
    sequence: int,
    key: bytes,
    traceparent: str | None,
) -> tuple[Header, ...]:
    told = format_time(time).encode()
    headers = (
        *_CONSTANT_HEADERS,
        ("ce_id", event_id.encode()),
        ("ce_source", b"urn:consent-service:" + controller.encode()),
        ("ce_type", event_type.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", told),
        ("ce_recordedtime", told if recorded_at == time else format_time(recorded_at).encode()),
        ("ce_sequence", b"%020d" % sequence),
        ("ce_partitionkey", key),
    )
    if traceparent is None:
        return headers
    trace = traceparent.encode()
    return (*headers, ("ce_traceparent", trace), ("traceparent", trace))


def _change(change: ConsentChange) -> pb.ConsentChange:
    message = pb.ConsentChange(
        record_id=str(change.record_id),
        controller=change.controller,
        subject_id=str(change.subject_id),
        sequence=change.sequence,
        purpose=change.purpose,
        command=COMMANDS.number(change.command),
        status=STATUSES.number(change.status),
        version=change.version,
        standing_version=change.standing_version,
        governing_version=change.governing_version,
        legal_bases=[BASES.number(basis) for basis in change.legal_bases],
        source=change.source,
        recorded_at=_stamp(change.recorded_at),
        occurred_at=None if change.occurred_at is None else _stamp(change.occurred_at),
        effective_at=_stamp(change.effective_at),
        cause=CAUSES.number(change.cause),
        superseded=change.superseded,
        replayed=change.replayed,
        ledger_epoch=change.ledger_epoch,
    )
    if change.allowed is not None:
        message.permission.CopyFrom(_permission(change.allowed, change.reason, change.until))
    if change.preferences is not None:
        message.preferences.CopyFrom(_preferences(change.preferences))
    return message


def _purpose(event: PurposePublished) -> pb.PurposePublished:
    return pb.PurposePublished(
        controller=event.controller,
        purpose=event.purpose,
        version=event.version,
        published_at=_stamp(event.published_at),
        versions=[_version(terms) for terms in event.versions],
        replayed=event.replayed,
        ledger_epoch=event.ledger_epoch,
    )


def _version(terms: VersionTerms) -> pb.PurposeVersion:
    return pb.PurposeVersion(
        version=terms.version,
        effective_from=_stamp(terms.effective_from),
        change=VERSION_CHANGES.number(terms.change),
        legal_bases=[BASES.number(basis) for basis in terms.legal_bases],
        default_permission=_permission(terms.default_allowed, terms.default_reason, None),
        oldest_valid_version=terms.oldest_valid_version,
        retired=terms.retired,
        renew_after=terms.renew_after,
        confirmation=CONFIRMATIONS.number(terms.confirmation),
        recipients=[
            pb.Recipient(slug=recipient.slug, deadline=recipient.deadline) for recipient in terms.recipients
        ],
    )


def _permission(allowed: bool, reason: Reason | None, until: datetime | None) -> pb.Permission:
    ends = None if until is None else _stamp(until)
    return pb.Permission(allowed=allowed, reason=REASONS.number(reason), until=ends)


def _preferences(preferences: Preferences) -> pb.Preferences:
    return pb.Preferences(
        channels=preferences.channels, topics=preferences.topics, frequency=preferences.frequency
    )


def _stamp(time: datetime) -> Timestamp:
    """Exact to the microsecond; protobuf's own conversion takes several times as long."""
    since = time - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)
