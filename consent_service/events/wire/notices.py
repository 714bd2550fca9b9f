"""Notices, both ways: what is told beside the ledger's records, on `.notices.v1` (R19, R28)."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from google.protobuf.message import DecodeError

from consent_service.domain.changes import IdentifierChanged, Notice, RecipientLate, RenewalDue
from consent_service.domain.partitions import subject_hash
from consent_service.domain.values import format_time
from consent_service.events.wire.messages import (
    SOURCE,
    KafkaRecord,
    Message,
    NotUnderstood,
    check_envelope,
    envelope,
    expect,
    from_stamp,
    headers_of,
    to_stamp,
)
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from consent_service.events.wire.topics import notices_topic

RENEWAL_DUE = "consent.renewal_due.v1"
IDENTIFIER_LINKED = "consent.identifier_linked.v1"
IDENTIFIER_REMOVED = "consent.identifier_removed.v1"
RECIPIENT_LATE = "consent.recipient_late.v1"


def encode_notice(notice: Notice, topic_prefix: str) -> Message:
    """The message of a notice: the same notice gives the same bytes."""
    if isinstance(notice, RenewalDue):
        event_type, value = RENEWAL_DUE, _renewal(notice)
    elif isinstance(notice, RecipientLate):
        event_type, value = RECIPIENT_LATE, _late(notice)
    else:
        event_type = IDENTIFIER_LINKED if notice.linked else IDENTIFIER_REMOVED
        value = _identifier(notice)
    return Message(
        topic=notices_topic(topic_prefix),
        key=str(notice.subject_id).encode(),
        value=value,
        headers=(
            *envelope(event_id=str(notice.notice_id), event_type=event_type, controller=notice.controller),
            ("ce_subject", _about(notice).encode()),
            ("ce_time", format_time(notice.noticed_at).encode()),
        ),
        hashed=subject_hash(notice.subject_id),
    )


def _about(notice: Notice) -> str:
    """The header `ce_subject`."""
    subject = str(notice.subject_id)
    return subject if isinstance(notice, IdentifierChanged) else f"{subject}/{notice.purpose}"


def read_notice(record: KafkaRecord) -> Notice:
    """Decode and check one notice, a message of `.notices.v1` that is no heartbeat. Raises NotUnderstood.

    A type of a later release is not understood. Notices carry no permission: a reader may skip what it does not know.
    """
    headers = headers_of(record)
    event_type = headers.get("ce_type", "")
    read = _READERS.get(event_type)
    if read is None:
        raise NotUnderstood("header ce_type names no notice")
    check_envelope(headers, event_type)
    try:
        notice = read(record.value or b"")
    except (DecodeError, ValueError) as error:
        raise NotUnderstood("the value is no notice of that type") from error
    expect("ce_id", headers.get("ce_id"), str(notice.notice_id))
    expect("ce_source", headers.get("ce_source"), SOURCE + notice.controller)
    expect("ce_subject", headers.get("ce_subject"), _about(notice))
    if isinstance(notice, IdentifierChanged) and notice.linked != (event_type == IDENTIFIER_LINKED):
        raise NotUnderstood("header ce_type does not fit")
    if record.key != str(notice.subject_id).encode():
        raise NotUnderstood("the key is not the subject's id")
    return notice


def _read_renewal(value: bytes) -> Notice:
    message = pb.RenewalDue()
    message.ParseFromString(value)
    return RenewalDue(
        notice_id=UUID(message.notice_id),
        controller=message.controller,
        subject_id=UUID(message.subject_id),
        purpose=message.purpose,
        version=message.version,
        until=from_stamp(message.until),
        noticed_at=from_stamp(message.noticed_at),
    )


def _read_identifier(value: bytes) -> Notice:
    message = pb.IdentifierChanged()
    message.ParseFromString(value)
    return IdentifierChanged(
        notice_id=UUID(message.notice_id),
        controller=message.controller,
        subject_id=UUID(message.subject_id),
        identifier_id=UUID(message.identifier_id),
        type=message.type,
        linked=message.linked,
        noticed_at=from_stamp(message.noticed_at),
    )


def _read_late(value: bytes) -> Notice:
    message = pb.RecipientLate()
    message.ParseFromString(value)
    return RecipientLate(
        notice_id=UUID(message.notice_id),
        controller=message.controller,
        subject_id=UUID(message.subject_id),
        purpose=message.purpose,
        record_id=UUID(message.record_id),
        recipient=message.recipient,
        owed_since=from_stamp(message.owed_since),
        due_at=from_stamp(message.due_at),
        noticed_at=from_stamp(message.noticed_at),
    )


_READERS: dict[str, Callable[[bytes], Notice]] = {
    RENEWAL_DUE: _read_renewal,
    IDENTIFIER_LINKED: _read_identifier,
    IDENTIFIER_REMOVED: _read_identifier,
    RECIPIENT_LATE: _read_late,
}


def _renewal(notice: RenewalDue) -> bytes:
    message = pb.RenewalDue(
        notice_id=str(notice.notice_id),
        controller=notice.controller,
        subject_id=str(notice.subject_id),
        purpose=notice.purpose,
        version=notice.version,
        until=to_stamp(notice.until),
        noticed_at=to_stamp(notice.noticed_at),
    )
    return message.SerializeToString(deterministic=True)


def _identifier(notice: IdentifierChanged) -> bytes:
    message = pb.IdentifierChanged(
        notice_id=str(notice.notice_id),
        controller=notice.controller,
        subject_id=str(notice.subject_id),
        identifier_id=str(notice.identifier_id),
        type=notice.type,
        linked=notice.linked,
        noticed_at=to_stamp(notice.noticed_at),
    )
    return message.SerializeToString(deterministic=True)


def _late(notice: RecipientLate) -> bytes:
    message = pb.RecipientLate(
        notice_id=str(notice.notice_id),
        controller=notice.controller,
        subject_id=str(notice.subject_id),
        purpose=notice.purpose,
        record_id=str(notice.record_id),
        recipient=notice.recipient,
        owed_since=to_stamp(notice.owed_since),
        due_at=to_stamp(notice.due_at),
        noticed_at=to_stamp(notice.noticed_at),
    )
    return message.SerializeToString(deterministic=True)
