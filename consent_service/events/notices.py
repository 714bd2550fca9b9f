"""Notices: what is told beside the ledger's records, on `.notices.v1` (R19, R28)."""

from __future__ import annotations

from consent_service.domain.changes import IdentifierChanged, RenewalDue
from consent_service.domain.partitions import subject_hash
from consent_service.domain.values import format_time
from consent_service.events.messages import Message, envelope, to_stamp
from consent_service.events.pb.consent.v1 import events_pb2 as pb
from consent_service.events.topics import notices_topic

RENEWAL_DUE = "consent.renewal_due.v1"
IDENTIFIER_LINKED = "consent.identifier_linked.v1"
IDENTIFIER_REMOVED = "consent.identifier_removed.v1"

Notice = RenewalDue | IdentifierChanged


def encode_notice(notice: Notice, topic_prefix: str) -> Message:
    """The message of a notice: the same notice gives the same bytes."""
    subject = str(notice.subject_id)
    if isinstance(notice, RenewalDue):
        event_type, about, value = RENEWAL_DUE, f"{subject}/{notice.purpose}", _renewal(notice)
    else:
        event_type = IDENTIFIER_LINKED if notice.linked else IDENTIFIER_REMOVED
        about, value = subject, _identifier(notice)
    return Message(
        topic=notices_topic(topic_prefix),
        key=subject.encode(),
        value=value,
        headers=(
            *envelope(event_id=str(notice.notice_id), event_type=event_type, controller=notice.controller),
            ("ce_subject", about.encode()),
            ("ce_time", format_time(notice.noticed_at).encode()),
        ),
        hashed=subject_hash(notice.subject_id),
    )


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
