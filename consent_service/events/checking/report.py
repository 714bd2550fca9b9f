"""What a comparison of the stream with the ledger found, in a form for people, programs and tests."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from uuid import UUID

import msgspec


class FaultKind(StrEnum):
    """What must not be. The words are part of what `events verify --json` prints."""

    LOST_EVENT = "lost event"
    REORDERED_EVENT = "reordered event"
    UNKNOWN_EVENT = "unknown event"
    DIFFERENT_EVENT = "event differs from its record"
    MISSING_STATE = "missing state"
    STALE_STATE = "stale state"
    UNKNOWN_STATE = "unknown state"
    DIFFERENT_STATE = "state differs from its record"
    MISSING_PURPOSE = "missing purpose"
    STALE_PURPOSE = "stale purpose"
    UNKNOWN_PURPOSE = "unknown purpose"
    DIFFERENT_PURPOSE = "purpose differs from the catalogue"
    KEPT_OTHERWISE = "topic kept otherwise"
    WRONG_PARTITION = "wrong partition"
    UNREADABLE = "unreadable message"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. Ids and codes only; `offset` is None where nothing lies on the topic."""

    kind: FaultKind
    topic: str
    controller: str | None = None
    subject_id: UUID | None = None
    purpose: str | None = None
    sequence: int | None = None
    record_id: UUID | None = None
    partition: int | None = None
    offset: int | None = None
    detail: str = ""


class TopicCounts(msgspec.Struct):
    """What was seen of one topic. `heartbeats`: of each partition the age of the newest, in seconds; None for none."""

    partitions: int = 0
    messages: int = 0
    heartbeats: dict[int, float | None] = {}


class Report(msgspec.Struct):
    """All of a comparison. Only FAULTS_KEPT faults of a kind are kept one by one; `counts` has all of them."""

    faults: list[Fault] = []
    counts: Counter[FaultKind] = msgspec.field(default_factory=Counter)
    topics: dict[str, TopicCounts] = {}
    persons: int = 0
    records: int = 0
    """On the ledger when the comparison began."""
    states: int = 0
    """Subjects and purposes of which something stands."""
    repeated: int = 0
    """Events that came again under the same id, as the contract allows ..."""
    repeated_behind: int = 0
    """... and how many of them behind a newer one of the same subject."""
    replayed: int = 0
    """Events marked as published again."""
    waiting: int = 0
    """Records still in the outbox."""
    waiting_states: int = 0
    waiting_purposes: int = 0
    being_filled: int = 0
    """Records and states that are not on a topic which was deleted, or is of an earlier epoch, until a relay has filled
    it again."""
    topics_being_filled: list[str] = []
    """What such a topic lacks is no fault yet, so that no answer about it is the last word."""
    no_longer_kept: int = 0
    """Records older than the oldest message that their partition still keeps."""
    earlier_epochs: int = 0
    """Events of an earlier ledger epoch that the ledger does not know: a restore from a backup lost their records."""
    seconds: float = 0.0

    def tell(self, fault: Fault) -> None:
        self.counts[fault.kind] += 1
        if self.counts[fault.kind] <= FAULTS_KEPT:
            self.faults.append(fault)


FAULTS_KEPT = 1000
