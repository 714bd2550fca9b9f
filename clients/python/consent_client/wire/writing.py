"""What recipients send: acknowledgements and dead letters."""

from __future__ import annotations

from consent_client.model import Acknowledgement, DeadLetter
from consent_client.wire.envelope import ACKNOWLEDGED, DEAD_LETTER, Outgoing, envelope, to_stamp
from consent_client.wire.pb.consent.v1 import events_pb2 as pb
from consent_client.wire.vocabulary import OUTCOMES


def acknowledgement_message(word: Acknowledgement) -> Outgoing:
    """For `<prefix>.acks.v1`: the same acknowledgement gives the same bytes."""
    message = pb.Acknowledgement(
        acknowledgement_id=str(word.acknowledgement_id),
        controller=word.controller,
        recipient=word.recipient,
        record_id=str(word.record_id),
        subject_id=str(word.subject_id),
        outcome=OUTCOMES.number(word.outcome),
        at=to_stamp(word.at),
        due_at=None if word.due_at is None else to_stamp(word.due_at),
    )
    return Outgoing(
        str(word.subject_id).encode(),
        message.SerializeToString(deterministic=True),
        (
            *envelope(str(word.acknowledgement_id), ACKNOWLEDGED, word.controller),
            ("ce_subject", str(word.record_id).encode()),
        ),
    )


def dead_letter_message(letter: DeadLetter, key: bytes) -> Outgoing:
    """For `<prefix>.dead.v1`, under the key that the message had."""
    message = pb.DeadLetter(
        dead_letter_id=str(letter.dead_letter_id),
        recipient=letter.recipient,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        reason=letter.reason,
        at=to_stamp(letter.at),
        type=letter.type,
        value=letter.value,
    )
    return Outgoing(
        key,
        message.SerializeToString(deterministic=True),
        envelope(str(letter.dead_letter_id), DEAD_LETTER, letter.recipient),
    )
