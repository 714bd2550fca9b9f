"""The states of one compacted topic laid beside what stands on the ledger (R27 to R31)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import IntEnum
from uuid import UUID

import msgspec

from consent_service.domain.changes import ConsentChange, ConsentState, state_after
from consent_service.domain.partitions import group_of, partition_of, shard_of, subject_hash
from consent_service.domain.values import Status
from consent_service.events.checking.changes import fields_that_differ
from consent_service.events.checking.report import Fault, FaultKind, Report
from consent_service.events.wire.consume import read_state
from consent_service.events.wire.messages import KafkaRecord, NotUnderstood
from consent_service.storage.outbox import Located, Pointer


class Verdict(IntEnum):
    """Of the last message under a key."""

    NONE = 0
    STANDS = 1
    STALE = 2
    UNKNOWN = 3
    DIFFERS = 4


_FAULTS = {
    Verdict.NONE: FaultKind.MISSING_STATE,
    Verdict.STALE: FaultKind.STALE_STATE,
    Verdict.UNKNOWN: FaultKind.UNKNOWN_STATE,
    Verdict.DIFFERS: FaultKind.DIFFERENT_STATE,
}


class Pair(msgspec.Struct, gc=False):
    """One subject and purpose: the sequence that stands on the ledger, 0 for none, and the last message read."""

    expected: int = 0
    told: int = 0
    epoch: int = 0
    verdict: int = Verdict.NONE


class PlacedState(msgspec.Struct, frozen=True):
    """The last state under its key so far, and where it lies; no state is a tombstone."""

    key: bytes
    state: ConsentState | None
    partition: int
    offset: int


class ComparedStates:
    """Some partitions of one state topic. First `expects`, then `decode` and `reads`, then `close`.

    Holds a Pair for each subject and purpose, about 300 bytes.
    """

    def __init__(
        self,
        topic: str,
        partitions: int,
        epoch: int,
        filled_epochs: Mapping[int, int],
        being_filled: Collection[int],
        report: Report,
    ) -> None:
        self._topic = topic
        self._partitions = partitions
        self._epoch = epoch
        self._filled_epochs = filled_epochs
        self._being_filled = being_filled
        self._report = report
        self._pairs: dict[bytes, Pair] = {}
        self._details: dict[bytes, str] = {}

    def expects(self, pointer: Pointer) -> None:
        """The last record of a subject and purpose on the ledger."""
        key = f"{pointer.controller}/{pointer.subject_id}/{pointer.purpose}".encode()
        self._pairs[key] = Pair(expected=pointer.sequence)
        self._report.states += 1

    def decode(self, record: KafkaRecord, partition: int, offset: int) -> PlacedState | None:
        """What the message says; None where it says nothing, which is a fault."""
        try:
            state = read_state(record)
            if record.key is None:
                raise NotUnderstood("the message has no key")
        except NotUnderstood as error:
            self._report.tell(
                Fault(
                    kind=FaultKind.UNREADABLE,
                    topic=self._topic,
                    partition=partition,
                    offset=offset,
                    detail=str(error),
                )
            )
            return None
        if state is not None:
            expected = partition_of(subject_hash(state.subject_id), self._partitions)
            if partition != expected:
                self._report.tell(
                    Fault(
                        kind=FaultKind.WRONG_PARTITION,
                        topic=self._topic,
                        controller=state.controller,
                        subject_id=state.subject_id,
                        purpose=state.purpose,
                        sequence=state.sequence,
                        record_id=state.record_id,
                        partition=partition,
                        offset=offset,
                        detail=f"it belongs in {expected}",
                    )
                )
                return None
        return PlacedState(record.key, state, partition, offset)

    def needs_record(self, placed: PlacedState) -> bool:
        """Whether the record behind the state decides: not where the ledger has a later one."""
        pair = self._pairs.get(placed.key)
        state = placed.state
        return state is not None and state.sequence > 0 and (pair is None or state.sequence >= pair.expected)

    def reads(self, placed: PlacedState, located: Located | None) -> None:
        """The next message under its key, and what its record says where that was asked for."""
        pair = self._pairs.setdefault(placed.key, Pair())
        state = placed.state
        self._details.pop(placed.key, None)
        if state is None:
            pair.told, pair.verdict = 0, Verdict.NONE
            return
        pair.told, pair.epoch = state.sequence, state.ledger_epoch
        if state.sequence == 0:
            lost = state.record_id is None and state.status is Status.UNKNOWN
            pair.verdict = Verdict.STALE if pair.expected else Verdict.STANDS if lost else Verdict.UNKNOWN
        elif state.sequence < pair.expected:
            pair.verdict = Verdict.STALE
        else:
            pair.verdict, detail = _compare(state, located)
            if detail:
                self._details[placed.key] = detail

    def _will_be_told(self, pair: Pair) -> bool:
        """Whether filling puts right what the topic says of the pair: where that is nothing, or was overtaken."""
        overtaken = pair.expected > 0 and pair.epoch < self._epoch
        return overtaken or pair.verdict in (Verdict.NONE, Verdict.STALE)

    def close(self, waiting: Callable[[str, UUID], int]) -> None:
        """Judge what was read last under each key. `waiting` says from which sequence on a person's records wait."""
        for key, pair in self._pairs.items():
            verdict, detail = Verdict(pair.verdict), self._details.get(key, "")
            if verdict is Verdict.NONE and not pair.expected:
                continue
            controller, subject, *purpose = key.decode().split("/", 2)
            subject_id = UUID(subject)
            group = group_of(shard_of(subject_hash(subject_id)))
            if verdict is Verdict.STANDS:
                owed = self._filled_epochs.get(group, 0)
                if pair.epoch < owed:
                    verdict, detail = Verdict.STALE, f"of ledger epoch {pair.epoch}, not {owed}"
            if verdict is Verdict.STANDS:
                continue
            if group in self._being_filled and self._will_be_told(pair):
                self._report.being_filled += 1
                continue
            first = waiting(controller, subject_id)
            if verdict in (Verdict.NONE, Verdict.STALE) and 0 < first <= pair.expected:
                self._report.waiting_states += 1
                continue
            if verdict is Verdict.STALE and not detail:
                detail = f"it tells of sequence {pair.told}"
            self._report.tell(
                Fault(
                    kind=_FAULTS[verdict],
                    topic=self._topic,
                    controller=controller,
                    subject_id=subject_id,
                    purpose=purpose[0] if purpose else None,
                    sequence=pair.expected or pair.told,
                    detail=detail,
                )
            )


def _compare(state: ConsentState, located: Located | None) -> tuple[Verdict, str]:
    known = located.event if located is not None else None
    if not isinstance(known, ConsentChange) or known.record_id != state.record_id:
        return Verdict.UNKNOWN, ""
    stands = state_after(known)
    if stands is None:
        return Verdict.UNKNOWN, ""
    differing = fields_that_differ(stands, state)
    return (Verdict.DIFFERS, ", ".join(differing)) if differing else (Verdict.STANDS, "")
