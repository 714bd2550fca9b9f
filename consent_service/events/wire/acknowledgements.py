"""Reading what recipients say on `.acks.v1` (R34, docs/EVENTS.md)."""

from __future__ import annotations

from uuid import UUID

from google.protobuf.message import DecodeError

from consent_service.domain.propagation import Word
from consent_service.domain.values import is_slug
from consent_service.events.wire.messages import (
    SOURCE,
    KafkaRecord,
    NotUnderstood,
    check_envelope,
    expect,
    from_stamp,
    headers_of,
)
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from consent_service.events.wire.vocabulary import OUTCOMES

ACKNOWLEDGED = "consent.acknowledged.v1"


def read_acknowledgement(record: KafkaRecord) -> Word:
    """Decode and check one word of a recipient. Raises NotUnderstood, also for an outcome of a later release."""
    headers = headers_of(record)
    check_envelope(headers, ACKNOWLEDGED)
    if record.value is None:
        raise NotUnderstood("the message has no value")
    message = pb.Acknowledgement()
    try:
        message.ParseFromString(record.value)
        word = _word(message)
    except (DecodeError, ValueError, OverflowError) as error:
        raise NotUnderstood("the value is no consent.v1.Acknowledgement") from error
    expect("ce_id", headers.get("ce_id"), str(word.acknowledgement_id))
    expect("ce_source", headers.get("ce_source"), SOURCE + word.controller)
    expect("ce_subject", headers.get("ce_subject"), str(word.record_id))
    if record.key != str(word.subject_id).encode():
        raise NotUnderstood("the key is not the subject's id")
    return word


def _word(message: pb.Acknowledgement) -> Word:
    outcome = OUTCOMES.word(message.outcome)
    if outcome is None:
        raise NotUnderstood("the outcome is none that this release knows")
    if not (is_slug(message.controller) and is_slug(message.recipient) and message.HasField("at")):
        raise NotUnderstood("controller, recipient or time is missing")
    return Word(
        acknowledgement_id=UUID(message.acknowledgement_id),
        controller=message.controller,
        recipient=message.recipient,
        record_id=UUID(message.record_id),
        subject_id=UUID(message.subject_id),
        outcome=outcome,
        at=from_stamp(message.at),
        due_at=from_stamp(message.due_at) if message.HasField("due_at") else None,
    )
