"""What the sweeper says of a pair that seems to have ended; the ledger decides anew (R17, CORE 4, 14)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.values import Channel, Command
from consent_service.usecases.submissions import Caller, CommandInput, SubjectReference, Submission

#: The actor of the service's own records (CORE 14).
ACTOR = "service"


class Closed(msgspec.Struct, frozen=True):
    """What came of a page: records by command, and how many persons were passed over."""

    told: Counter[Command]
    left: int


def closing(controller: str, subject_id: UUID, purpose: str, command: Command, at: datetime) -> Submission:
    """What seems to have ended then."""
    said = CommandInput(purpose=purpose, command=command, channel=Channel.SYSTEM, occurred_at=at)
    return Submission(Caller(controller, ACTOR), SubjectReference(subject_id), (said,))
