"""Comparing the stream with the ledger: is every record on it, once in effect, in order, as it was decided (R31).

Right while others write, because of the order in which things are looked at. First the ledger: how far each person's
records go, and what stands. Then the outbox: what of that is not published yet. Then where the topics end. A row leaves
the outbox only once Kafka has acknowledged its messages, so what was on the ledger and is not in the outbox must lie
before those ends: everything needed is read once, and nothing again. What is recorded meanwhile may be met on the
topics too; its record is there by then, since it was committed before it was published.

It is done in slices, so many as the numbers of partitions and of shards have in common (of 12 and 64: 4): a person is
in one. At a time the heads and states of one slice are held, about 250 bytes a person and 300 a state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import gcd
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.errors import UnknownController
from consent_service.domain.partitions import SHARDS
from consent_service.events.checking.changes import NOTHING_KEPT, ComparedChanges, pointer_to
from consent_service.events.checking.purposes import ComparedPurposes
from consent_service.events.checking.reading import Extent, TopicReader, open_reader
from consent_service.events.checking.report import Fault, FaultKind, Report, TopicCounts
from consent_service.events.checking.states import ComparedStates
from consent_service.events.wire.heartbeats import is_heartbeat, read_heartbeat
from consent_service.events.wire.messages import NotUnderstood
from consent_service.events.wire.topics import (
    PARTITIONS,
    changes_topic,
    purposes_topic,
    state_topic,
    topics_of,
)
from consent_service.storage.database import Connection, Database
from consent_service.storage.history import read_latest_versions, read_prefixes, read_standing
from consent_service.storage.outbox import EventReader, Located, Pointer
from consent_service.storage.reconciliation import (
    Span,
    count_persons_with_records,
    read_epoch,
    read_heads,
    read_recorded_after,
    read_waiting_purposes,
    stream_waiting,
)
from consent_service.storage.relaying import read_filled
from consent_service.usecases import clock

_PAGE_ROWS = 1000
_LOOKED_UP_ROWS = 500
#: By so much the clocks of who records and who publishes may differ.
_CLOCKS_DIFFER = timedelta(seconds=1)
_BEFORE_ALL = UUID(int=0)


class Step(msgspec.Struct, frozen=True):
    """What is being looked at, and how much of it is done."""

    what: str
    done: int
    total: int


class _Slice(msgspec.Struct, frozen=True):
    controllers: tuple[str, ...]
    shards: tuple[int, ...]
    changes: ComparedChanges
    states: ComparedStates


async def verify_stream(
    database: Database,
    bootstrap: str,
    *,
    controller: str | None = None,
    progress: Callable[[Step], None] = lambda _: None,
) -> Report:
    """Compare all controllers, or one, as role consent_auditor. Reads only.

    Raises UnknownController, Unavailable where the database is away, and StreamAway.
    """
    began = time.monotonic()
    async with open_reader(bootstrap, client_id="consent-verify") as reader, database.session() as connection:
        prefixes = await read_prefixes(connection)
        if controller is not None:
            if controller not in prefixes:
                raise UnknownController(f"There is no controller {controller!r}.")
            prefixes = {controller: prefixes[controller]}
        comparison = _Comparison(reader, connection, progress)
        for prefix in sorted(set(prefixes.values())):
            sharing = tuple(name for name, its in prefixes.items() if its == prefix)
            await comparison.compare(prefix, sharing, only=controller is not None)
    comparison.report.seconds = time.monotonic() - began
    return comparison.report


class _Comparison:
    def __init__(self, reader: TopicReader, connection: Connection, progress: Callable[[Step], None]) -> None:
        self.report = Report()
        self._reader = reader
        self._connection = connection
        self._progress = progress
        self._events = EventReader()

    async def compare(self, prefix: str, controllers: tuple[str, ...], *, only: bool) -> None:
        """The topics of a prefix. With `only`, what others have on them is passed over."""
        partitions = await self._reader.partitions()
        await self._compare_settings([topic for topic in topics_of(prefix) if topic in partitions])
        topics = changes_topic(prefix), state_topic(prefix)
        counts = [
            partitions.get(topic, PARTITIONS[kind])
            for topic, kind in zip(topics, ("changes", "state"), strict=True)
        ]
        for topic in topics:
            self.report.topics[topic] = TopicCounts(partitions=partitions.get(topic, 0))
        epoch = await read_epoch(self._connection)
        filled, being_filled = await self._filled([topic for topic in topics if topic in partitions], epoch)
        self.report.topics_being_filled += sorted(being_filled)
        await self._compare_purposes(prefix, controllers, partitions, epoch, only=only)
        persons = await count_persons_with_records(self._connection, controllers)
        slices = gcd(SHARDS, *counts)
        for residue in range(slices):
            part = _Slice(
                controllers,
                tuple(range(residue, SHARDS, slices)),
                ComparedChanges(topics[0], counts[0], epoch, being_filled.get(topics[0], ()), self.report),
                ComparedStates(
                    topics[1],
                    counts[1],
                    epoch,
                    filled.get(topics[1], {}),
                    being_filled.get(topics[1], ()),
                    self.report,
                ),
            )
            await self._read_ledger(part, prefix, persons)
            extents = [
                await self._reader.extents(topic, range(residue, partitions.get(topic, 0), slices))
                for topic in topics
            ]
            chosen = frozenset(controllers) if only else None
            await self._read_changes(part.changes, topics[0], extents[0], chosen)
            await self._tell_lost(part.changes)
            await self._read_states(part.states, topics[1], extents[1], chosen)
            part.states.close(part.changes.waiting)

    async def _compare_settings(self, topics: list[str]) -> None:
        for topic, settings in (await self._reader.kept_otherwise(topics)).items():
            self.report.tell(Fault(kind=FaultKind.KEPT_OTHERWISE, topic=topic, detail=settings))

    async def _compare_purposes(
        self, prefix: str, controllers: tuple[str, ...], partitions: dict[str, int], epoch: int, *, only: bool
    ) -> None:
        topic = purposes_topic(prefix)
        self.report.topics[topic] = TopicCounts(partitions=partitions.get(topic, 0))
        _, being_filled = await self._filled([topic] if topic in partitions else [], epoch)
        self.report.topics_being_filled += sorted(being_filled)
        compared = ComparedPurposes(topic, prefix, self.report)
        expected = await read_latest_versions(self._connection, controllers)
        standing = await self._locate(expected)
        waiting = await read_waiting_purposes(self._connection)
        extents = await self._reader.extents(topic, range(partitions.get(topic, 0)))
        async for messages in self._messages(topic, extents):
            for message in messages:
                if not is_heartbeat(message):
                    compared.reads(message, controllers if only else None)
        known = await read_latest_versions(self._connection, controllers)
        compared.close(
            standing,
            waiting=waiting,
            being_filled=bool(being_filled),
            known_now={f"{pointer.controller}/{pointer.purpose}" for pointer in known},
        )

    async def _filled(
        self, topics: list[str], epoch: int
    ) -> tuple[dict[str, dict[int, int]], dict[str, set[int]]]:
        """Of each topic the epoch under which each group of shards was filled into it, and the groups yet to be filled.

        A topic in a new life, or of an earlier epoch, is filled again by relays; one that none has met is not.
        """
        ids = await self._reader.topic_ids(topics) if topics else {}
        epochs: dict[str, dict[int, int]] = {}
        being_filled: dict[str, set[int]] = {}
        for (topic, group), filled in (await read_filled(self._connection)).items():
            if topic in ids and (filled.topic_id, filled.ledger_epoch) == (ids[topic], epoch):
                epochs.setdefault(topic, {})[group] = filled.ledger_epoch
            elif topic in ids:
                being_filled.setdefault(topic, set()).add(group)
        return epochs, being_filled

    async def _read_ledger(self, part: _Slice, prefix: str, persons: int) -> None:
        """First what is there, then what of it waits: never the other way round."""
        for controller in part.controllers:
            after = _BEFORE_ALL
            while page := await read_heads(
                self._connection, controller, after=after, shards=part.shards, rows_max=_PAGE_ROWS
            ):
                for head in page:
                    part.changes.expects(controller, head.subject_id, head.sequence)
                after = page[-1].subject_id
                self._progress(Step(f"ledger of {prefix}: persons", self.report.persons, persons))
        last: Pointer | None = None
        while standing := await read_standing(
            self._connection,
            controllers=part.controllers,
            shards=part.shards,
            after=last,
            rows_max=_PAGE_ROWS,
        ):
            for pointer in standing:
                part.states.expects(pointer)
            last = standing[-1]
            self._progress(Step(f"ledger of {prefix}: persons", self.report.persons, persons))
        async for controller, subject_id, sequence in stream_waiting(self._connection, part.shards):
            if controller in part.controllers:
                part.changes.waits(controller, subject_id, sequence)

    async def _read_changes(
        self,
        changes: ComparedChanges,
        topic: str,
        extents: dict[int, Extent],
        chosen: frozenset[str] | None,
    ) -> None:
        for partition, extent in extents.items():
            if extent.start > 0:
                changes.kept_from[partition] = NOTHING_KEPT
        async for messages in self._messages(topic, extents):
            placed = []
            for message in messages:
                if changes.kept_from.get(message.partition) == NOTHING_KEPT:
                    oldest = datetime.fromtimestamp(message.timestamp / 1000, UTC)
                    changes.kept_from[message.partition] = oldest + _CLOCKS_DIFFER
                if is_heartbeat(message):
                    continue
                found = changes.decode(message, message.partition, message.offset)
                if found is not None and (chosen is None or found.change.controller in chosen):
                    placed.append(found)
            located = await self._locate([one.pointer for one in placed])
            for one in placed:
                changes.reads(one, located.get(one.pointer))

    async def _read_states(
        self,
        states: ComparedStates,
        topic: str,
        extents: dict[int, Extent],
        chosen: frozenset[str] | None,
    ) -> None:
        async for messages in self._messages(topic, extents):
            placed = []
            for message in messages:
                found = None
                if not is_heartbeat(message):
                    found = states.decode(message, message.partition, message.offset)
                if found is not None and (chosen is None or found.key.decode().partition("/")[0] in chosen):
                    placed.append(found)
            wanted = {
                place: pointer_to(one.state.controller, one.state.subject_id, one.state.sequence)
                for place, one in enumerate(placed)
                if one.state is not None and states.needs_record(one)
            }
            located = await self._locate(wanted.values())
            for place, one in enumerate(placed):
                states.reads(one, located.get(wanted[place]) if place in wanted else None)

    async def _messages(self, topic: str, extents: dict[int, Extent]) -> Any:
        """Everything in these extents, with heartbeats, which are noted on the way."""
        counts = self.report.topics[topic]
        counts.heartbeats.update(dict.fromkeys(extents))
        done, total = 0, sum(extent.end - extent.start for extent in extents.values())
        async for messages in self._reader.read(topic, extents):
            for message in messages:
                if is_heartbeat(message):
                    self._hear(topic, message)
                else:
                    counts.messages += 1
            yield messages
            done += len(messages)
            self._progress(Step(f"{topic}: messages", done, total))

    def _hear(self, topic: str, message: Any) -> None:
        """Note how old the newest heartbeat of the partition is."""
        try:
            age = max((clock.now() - read_heartbeat(message).at).total_seconds(), 0.0)
        except NotUnderstood as error:
            self.report.tell(
                Fault(
                    kind=FaultKind.UNREADABLE,
                    topic=topic,
                    partition=message.partition,
                    offset=message.offset,
                    detail=str(error),
                )
            )
            return
        ages = self.report.topics[topic].heartbeats
        known = ages.get(message.partition)
        ages[message.partition] = age if known is None else min(known, age)

    async def _locate(self, pointers: Iterable[Pointer]) -> dict[Pointer, Located]:
        """What the ledger has for these, some hundreds at a time."""
        located: dict[Pointer, Located] = {}
        for some in _by(_LOOKED_UP_ROWS, list(dict.fromkeys(pointers))):
            located.update(await self._events.read(self._connection, some))
        return located

    async def _tell_lost(self, changes: ComparedChanges) -> None:
        spans = changes.missing()
        while some := list(islice(spans, _LOOKED_UP_ROWS)):
            lost = await read_recorded_after(self._connection, some)
            for record in lost:
                changes.lost(record)
            self.report.no_longer_kept += _length(some) - len(lost)


def _length(spans: Sequence[Span]) -> int:
    return sum(span.length for span in spans)


def _by(number: int, pointers: Sequence[Pointer]) -> Iterator[Sequence[Pointer]]:
    for start in range(0, len(pointers), number):
        yield pointers[start : start + number]
