"""The service's words and their numbers on the wire.

The proto's names are the domain's, behind the enumeration's prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, TypeVar

from consent_service.domain.propagation import AckOutcome
from consent_service.domain.purposes import Change, Confirmation
from consent_service.domain.values import Basis, Cause, Command, Reason, Status
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb

Word = TypeVar("Word", bound=StrEnum)


class Vocabulary(Generic[Word]):
    """One closed enumeration in both directions. Numbers of a later release, and 0, read as None."""

    def __init__(self, words: type[Word], prefix: str, numbers: Any) -> None:
        self._numbers: Mapping[Word, Any] = {word: numbers.Value(f"{prefix}_{word.name}") for word in words}
        self._words = {number: word for word, number in self._numbers.items()}

    def number(self, word: Word | None) -> Any:
        """The word's number; None, which leaves a field unset, for none."""
        return None if word is None else self._numbers[word]

    def word(self, number: int) -> Word | None:
        return self._words.get(number)


COMMANDS = Vocabulary(Command, "COMMAND", pb.Command)
STATUSES = Vocabulary(Status, "STATUS", pb.Status)
REASONS = Vocabulary(Reason, "REASON", pb.Reason)
CAUSES = Vocabulary(Cause, "CAUSE", pb.Cause)
BASES = Vocabulary(Basis, "BASIS", pb.Basis)
VERSION_CHANGES = Vocabulary(Change, "VERSION_CHANGE", pb.VersionChange)
CONFIRMATIONS = Vocabulary(Confirmation, "CONFIRMATION", pb.Confirmation)
OUTCOMES = Vocabulary(AckOutcome, "OUTCOME", pb.Outcome)
