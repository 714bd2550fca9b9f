"""The changes of one topic laid beside the ledger's records: loss, repetition, order, content (R26, R27, R31)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from consent_service.domain.changes import ConsentChange
from consent_service.domain.partitions import group_of, partition_of, shard_of, subject_hash
from consent_service.events.checking.report import Fault, FaultKind, Report
from consent_service.events.wire.consume import read_change
from consent_service.events.wire.messages import KafkaRecord, NotUnderstood
from consent_service.storage.outbox import Kind, Located, Pointer
from consent_service.storage.reconciliation import LostRecord, Span

ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
NOTHING_KEPT = datetime.max.replace(tzinfo=UTC)


class Person(msgspec.Struct, gc=False):
    """How far one person's records go, and how far their events; 0 for none."""

    head: int = 0
    """The last sequence on the ledger when the comparison began."""
    waiting: int = 0
    """The first one in the outbox."""
    told: int = 0
    """The highest one on the topic."""


class Placed(msgspec.Struct, frozen=True):
    """A change, and where it lies."""

    change: ConsentChange
    partition: int
    offset: int

    @property
    def pointer(self) -> Pointer:
        return pointer_to(self.change.controller, self.change.subject_id, self.change.sequence)


def pointer_to(controller: str, subject_id: UUID, sequence: int) -> Pointer:
    """As EventReader takes it, of one record."""
    return Pointer(0, Kind.RECORD, controller, subject_id, None, sequence, 0, None)


def person_key(controller: str, subject_id: UUID) -> bytes:
    return f"{controller}/{subject_id}".encode()


class ComparedChanges:
    """Some partitions of one changes topic. First `expects` and `waits`, then `reads`, then `missing`.

    `being_filled` names the groups of shards that a relay has yet to fill into the topic.

    Holds a Person for each person, about 250 bytes, and in `_gaps` the few whose events do not follow one another.
    """

    def __init__(
        self, topic: str, partitions: int, epoch: int, being_filled: Collection[int], report: Report
    ) -> None:
        self._topic = topic
        self._partitions = partitions
        self._epoch = epoch
        self._being_filled = being_filled
        self._report = report
        self._persons: dict[bytes, Person] = {}
        self._gaps: dict[bytes, list[tuple[int, int]]] = {}
        #: Of each partition, the time of its oldest message; where nothing was ever removed, ALWAYS.
        self.kept_from: dict[int, datetime] = {}

    def expects(self, controller: str, subject_id: UUID, head: int) -> None:
        """The ledger has so many records of the person."""
        self._persons[person_key(controller, subject_id)] = Person(head=head)
        self._report.persons += 1
        self._report.records += head

    def waits(self, controller: str, subject_id: UUID, sequence: int) -> None:
        """From that one on the person's records are in the outbox."""
        person = self._persons.setdefault(person_key(controller, subject_id), Person())
        person.waiting = sequence
        self._report.waiting += max(0, person.head - sequence + 1)

    def waiting(self, controller: str, subject_id: UUID) -> int:
        """The first sequence in the outbox; 0 for none."""
        person = self._persons.get(person_key(controller, subject_id))
        return 0 if person is None else person.waiting

    def decode(self, record: KafkaRecord, partition: int, offset: int) -> Placed | None:
        """The change; None where it is none, which is a fault."""
        try:
            change = read_change(record).change
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
        return Placed(change, partition, offset)

    def reads(self, placed: Placed, located: Located | None) -> None:
        """The next event of its partition, and what its record says; None where the ledger has no such record."""
        change = placed.change
        known = None if located is None else located.event
        if not isinstance(known, ConsentChange) or known.record_id != change.record_id:
            if change.ledger_epoch < self._epoch:
                self._report.earlier_epochs += 1
            else:
                self._fault(FaultKind.UNKNOWN_EVENT, placed)
            return
        expected = partition_of(subject_hash(change.subject_id), self._partitions)
        if placed.partition != expected:
            self._fault(FaultKind.WRONG_PARTITION, placed, f"it belongs in {expected}")
            return
        if differing := fields_that_differ(known, change):
            self._fault(FaultKind.DIFFERENT_EVENT, placed, ", ".join(differing))
        self._report.replayed += change.replayed
        self._follow(placed)

    def _follow(self, placed: Placed) -> None:
        change = placed.change
        key = person_key(change.controller, change.subject_id)
        person = self._persons.setdefault(key, Person())
        if change.sequence > person.told:
            if change.sequence > person.told + 1:
                self._gaps.setdefault(key, []).append((person.told + 1, change.sequence - 1))
            person.told = change.sequence
        elif self._fills_gap(key, change.sequence):
            if not change.replayed:
                self._fault(FaultKind.REORDERED_EVENT, placed, f"behind sequence {person.told}")
        else:
            self._report.repeated += 1
            self._report.repeated_behind += change.sequence < person.told

    def _fills_gap(self, key: bytes, sequence: int) -> bool:
        """Whether the event was missing until now."""
        for place, (first, last) in enumerate(self._gaps.get(key, ())):
            if first <= sequence <= last:
                around = ((first, sequence - 1), (sequence + 1, last))
                self._gaps[key][place : place + 1] = [gap for gap in around if gap[0] <= gap[1]]
                return True
        return False

    def missing(self) -> Iterator[Span]:
        """The sequences that are neither on the topic nor in the outbox."""
        for key, person in self._persons.items():
            # What is in the outbox comes, whatever the topic tells: a database that died brings published rows back.
            owed = min(person.head, person.waiting - 1) if person.waiting else person.head
            spans = [*self._gaps.get(key, ()), (person.told + 1, person.head)]
            spans = [(first, min(last, owed)) for first, last in spans if first <= min(last, owed)]
            if not spans:
                continue
            controller, _, subject = key.decode().rpartition("/")
            subject_id = UUID(subject)
            hashed = subject_hash(subject_id)
            kept_from = self.kept_from.get(partition_of(hashed, self._partitions), ALWAYS)
            for first, last in spans:
                if group_of(shard_of(hashed)) in self._being_filled:
                    self._report.being_filled += last - first + 1
                else:
                    yield Span(controller, subject_id, first, last, kept_from)

    def lost(self, record: LostRecord) -> None:
        self._report.tell(
            Fault(
                kind=FaultKind.LOST_EVENT,
                topic=self._topic,
                controller=record.controller,
                subject_id=record.subject_id,
                sequence=record.sequence,
                record_id=record.record_id,
            )
        )

    def _fault(self, kind: FaultKind, placed: Placed, detail: str = "") -> None:
        change = placed.change
        self._report.tell(
            Fault(
                kind=kind,
                topic=self._topic,
                controller=change.controller,
                subject_id=change.subject_id,
                purpose=change.purpose,
                sequence=change.sequence,
                record_id=change.record_id,
                partition=placed.partition,
                offset=placed.offset,
                detail=detail,
            )
        )


def fields_that_differ(known: msgspec.Struct, told: msgspec.Struct) -> list[str]:
    """The names of the fields in which an event is not its record; when it was published is not the record's."""
    return [
        name
        for name in known.__struct_fields__
        if name not in ("replayed", "ledger_epoch") and getattr(known, name) != getattr(told, name)
    ]
