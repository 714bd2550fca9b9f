"""Events as Kafka messages: changes, the states they lead to, and published purposes (R26 to R29, CORE 20)."""

from __future__ import annotations

from datetime import datetime

from consent_service.domain.changes import (
    ConsentChange,
    ConsentState,
    Notice,
    PurposePublished,
    VersionTerms,
)
from consent_service.domain.partitions import subject_hash
from consent_service.domain.records import Preferences
from consent_service.domain.values import Reason, format_time
from consent_service.events.wire.messages import Header, Message, envelope, stamp, to_stamp
from consent_service.events.wire.notices import encode_notice
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from consent_service.events.wire.topics import changes_topic, purposes_topic, state_topic
from consent_service.events.wire.vocabulary import (
    BASES,
    CAUSES,
    COMMANDS,
    CONFIRMATIONS,
    REASONS,
    STATUSES,
    VERSION_CHANGES,
)

CHANGED = "consent.changed.v1"
STATE = "consent.state.v1"
PURPOSE_PUBLISHED = "consent.purpose.published.v1"


def encode(
    event: ConsentChange | PurposePublished | Notice, topic_prefix: str, traceparent: str | None = None
) -> Message:
    """The message of an event: the same event gives the same bytes."""
    if isinstance(event, ConsentChange):
        return _encode_change(event, topic_prefix, traceparent)
    if isinstance(event, PurposePublished):
        return _encode_purpose(event, topic_prefix, traceparent)
    return encode_notice(event, topic_prefix)


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


def encode_state(state: ConsentState, topic_prefix: str) -> Message:
    """What stands, for the compacted topic: headers are few, since what is compacted is read by the million (R27)."""
    return Message(
        topic=state_topic(topic_prefix),
        key=f"{state.controller}/{_pair(state)}".encode(),
        value=_state(state).SerializeToString(deterministic=True),
        headers=envelope(event_id=state_event_id(state), event_type=STATE, controller=state.controller),
        hashed=subject_hash(state.subject_id),
    )


def state_event_id(state: ConsentState) -> str:
    """Of the record that led to the state; without one, of the pair in its ledger epoch."""
    return f"{state.record_id or f'{_pair(state)}/{state.ledger_epoch}'}/state"


def _pair(state: ConsentState) -> str:
    return str(state.subject_id) if state.purpose is None else f"{state.subject_id}/{state.purpose}"


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


def encode_no_purpose(controller: str, purpose: str, topic_prefix: str) -> Message:
    """A tombstone: the ledger knows no such purpose any more."""
    return Message(
        topic=purposes_topic(topic_prefix),
        key=f"{controller}/{purpose}".encode(),
        value=None,
        headers=envelope(event_id=f"{purpose}/0", event_type=PURPOSE_PUBLISHED, controller=controller),
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
        *envelope(event_id=event_id, event_type=event_type, controller=controller),
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
    """Field by field: a constructor with these arguments takes four times as long."""
    message = pb.ConsentChange()
    message.record_id = str(change.record_id)
    message.controller = change.controller
    message.subject_id = str(change.subject_id)
    message.sequence = change.sequence
    if change.purpose is not None:
        message.purpose = change.purpose
    if change.command is not None:
        message.command = COMMANDS.number(change.command)
    if change.version is not None:
        message.version = change.version
    if change.governing_version is not None:
        message.governing_version = change.governing_version
    if change.source is not None:
        message.source = change.source
    stamp(message.recorded_at, change.recorded_at)
    if change.occurred_at is not None:
        stamp(message.occurred_at, change.occurred_at)
    stamp(message.effective_at, change.effective_at)
    if change.cause is not None:
        message.cause = CAUSES.number(change.cause)
    message.superseded = change.superseded
    message.replayed = change.replayed
    message.ledger_epoch = change.ledger_epoch
    _stands(message, change)
    return message


def _state(state: ConsentState) -> pb.ConsentState:
    message = pb.ConsentState()
    message.controller = state.controller
    message.subject_id = str(state.subject_id)
    if state.purpose is not None:
        message.purpose = state.purpose
    message.sequence = state.sequence
    if state.record_id is not None:
        message.record_id = str(state.record_id)
    if state.recorded_at is not None:
        stamp(message.recorded_at, state.recorded_at)
    if state.effective_at is not None:
        stamp(message.effective_at, state.effective_at)
    message.ledger_epoch = state.ledger_epoch
    if state.merged_into is not None:
        message.merged_into = str(state.merged_into)
    _stands(message, state)
    return message


def _stands(message: pb.ConsentChange | pb.ConsentState, told: ConsentChange | ConsentState) -> None:
    """What changes and states tell alike: status, permission, version, bases, preferences."""
    if told.status is not None:
        message.status = STATUSES.number(told.status)
    if told.allowed is not None:
        message.permission.allowed = told.allowed
        if told.reason is not None:
            message.permission.reason = REASONS.number(told.reason)
        if told.until is not None:
            stamp(message.permission.until, told.until)
    if told.standing_version is not None:
        message.standing_version = told.standing_version
    for basis in told.legal_bases:
        message.legal_bases.append(BASES.number(basis))
    if told.preferences is not None:
        _prefer(message.preferences, told.preferences)


def _purpose(event: PurposePublished) -> pb.PurposePublished:
    return pb.PurposePublished(
        controller=event.controller,
        purpose=event.purpose,
        version=event.version,
        published_at=to_stamp(event.published_at),
        versions=[_version(terms) for terms in event.versions],
        replayed=event.replayed,
        ledger_epoch=event.ledger_epoch,
    )


def _version(terms: VersionTerms) -> pb.PurposeVersion:
    return pb.PurposeVersion(
        version=terms.version,
        effective_from=to_stamp(terms.effective_from),
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
    ends = None if until is None else to_stamp(until)
    return pb.Permission(allowed=allowed, reason=REASONS.number(reason), until=ends)


def _prefer(message: pb.Preferences, preferences: Preferences) -> None:
    message.SetInParent()
    message.channels.extend(preferences.channels)
    message.topics.extend(preferences.topics)
    if preferences.frequency is not None:
        message.frequency = preferences.frequency
