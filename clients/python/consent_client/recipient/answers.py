"""What a handler may answer, and the words that it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec

from consent_client import clock
from consent_client.model import Acknowledgement, Change
from consent_client.words import Outcome


class Accepted(msgspec.Struct, frozen=True):
    """Somebody will see to it until `due_at`; tell it with `Recipient.acknowledge` when it is done."""

    due_at: datetime

    def __post_init__(self) -> None:
        if self.due_at.tzinfo is None:
            raise ValueError("due_at needs a time zone: what is written without one could not be sent")


Answer = Outcome | Accepted | None

#: Of several answers to one record the one that promises least is its word.
_LEAST_FIRST = (Outcome.ACCEPTED, Outcome.STARTED, Outcome.STOPPED, Outcome.ERASED, Outcome.NOT_HELD)


class BadAnswer(TypeError):
    """A handler returned what is no answer."""


def outcome_of(answer: object, default: Outcome) -> Outcome | Accepted:
    """Raises BadAnswer."""
    if answer is None:
        return default
    if isinstance(answer, Accepted) or (isinstance(answer, Outcome) and answer in _LEAST_FIRST[1:]):
        return answer
    raise BadAnswer("a handler returns None, an Outcome or Accepted(due_at); where it failed it raises")


def word_of(change: Change, recipient: str, outcomes: Sequence[Outcome | Accepted]) -> Acknowledgement | None:
    """The acknowledgement of one record, for all purposes it was handled for; None where there is no record."""
    if not change.record_id.int:
        return None
    due = [answer.due_at for answer in outcomes if isinstance(answer, Accepted)]
    if due:
        return word(change, recipient, Outcome.ACCEPTED, max(due))
    return word(
        change, recipient, min((o for o in outcomes if isinstance(o, Outcome)), key=_LEAST_FIRST.index)
    )


def word(change: Change, recipient: str, outcome: Outcome, due_at: datetime | None = None) -> Acknowledgement:
    return Acknowledgement(
        acknowledgement_id=stable_id(change.record_id, f"{recipient} {outcome}"),
        controller=change.controller,
        recipient=recipient,
        record_id=change.record_id,
        subject_id=change.subject_id,
        outcome=outcome,
        at=clock.now(),
        due_at=due_at,
    )


def stable_id(of: UUID, what: str) -> UUID:
    """A UUIDv7 with the moment of `of`, the same whenever the same is said: a repetition is known by it."""
    chance = int.from_bytes(sha256(of.bytes + what.encode()).digest()[:10], "big")
    return UUID(
        int=of.int >> 80 << 80 | 7 << 76 | (chance >> 62 & 0xFFF) << 64 | 2 << 62 | chance & (1 << 62) - 1
    )
