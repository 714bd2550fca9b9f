"""Events as Kafka messages: CloudEvents 1.0 in binary mode, protobuf inside (R26 to R28, CORE 20)."""

from __future__ import annotations

from datetime import datetime

import msgspec

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
    return Message(
        topic=changes_topic(topic_prefix),
        key=subject.encode(),
        value=_change(change).SerializeToString(deterministic=True),
        headers=_headers(
            event_id=str(change.record_id),
            event_type=CHANGED,
            controller=change.controller,
            subject=subject if change.purpose is None else f"{subject}/{change.purpose}",
            time=change.effective_at,
            recorded_at=change.recorded_at,
            sequence=change.sequence,
            key=subject,
            traceparent=traceparent,
        ),
        hashed=subject_hash(change.subject_id),
    )


def _encode_purpose(event: PurposePublished, topic_prefix: str, traceparent: str | None) -> Message:
    key = f"{event.controller}/{event.purpose}"
    return Message(
        topic=purposes_topic(topic_prefix),
        key=key.encode(),
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
    key: str,
    traceparent: str | None,
) -> tuple[Header, ...]:
    headers = [
        ("content-type", CONTENT_TYPE),
        ("ce_specversion", "1.0"),
        ("ce_id", event_id),
        ("ce_source", "urn:consent-service:" + controller),
        ("ce_type", event_type),
        ("ce_subject", subject),
        ("ce_time", format_time(time)),
        ("ce_recordedtime", format_time(recorded_at)),
        ("ce_sequence", f"{sequence:020}"),
        ("ce_partitionkey", key),
    ]
    if traceparent is not None:
        headers += [("ce_traceparent", traceparent), ("traceparent", traceparent)]
    return tuple((name, value.encode()) for name, value in headers)


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
        recorded_at=change.recorded_at,
        occurred_at=change.occurred_at,
        effective_at=change.effective_at,
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
        published_at=event.published_at,
        versions=[_version(terms) for terms in event.versions],
        replayed=event.replayed,
        ledger_epoch=event.ledger_epoch,
    )


def _version(terms: VersionTerms) -> pb.PurposeVersion:
    return pb.PurposeVersion(
        version=terms.version,
        effective_from=terms.effective_from,
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
    return pb.Permission(allowed=allowed, reason=REASONS.number(reason), until=until)


def _preferences(preferences: Preferences) -> pb.Preferences:
    return pb.Preferences(
        channels=preferences.channels, topics=preferences.topics, frequency=preferences.frequency
    )
