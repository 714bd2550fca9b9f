"""The newest changes of one topic in memory, in one order, ready to be sent to any number of readers (R32)."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any

import msgspec

from consent_service.domain.changes import Heartbeat
from consent_service.domain.partitions import groups_on
from consent_service.events.feed.places import Place
from consent_service.events.wire.consume import read_change
from consent_service.events.wire.heartbeats import HEARTBEAT
from consent_service.events.wire.messages import SOURCE, KafkaRecord, NotUnderstood
from consent_service.usecases.changes import change_body

#: What a reader is given at once; it is what may wait in a connection, beside the system's own buffers.
PART_BYTES_MAX = 32 * 1024
#: Parts kept for the next reader at the same place.
_PARTS_MAX = 64

_encode = msgspec.json.Encoder().encode


class Audience(msgspec.Struct, frozen=True):
    """Whose changes a reader sees; `purposes` null: all of the controller's."""

    controller: str
    purposes: frozenset[str] | None = None


class Part(msgspec.Struct, frozen=True):
    """Events as they are sent, and how many they are."""

    sent: bytes = b""
    events: int = 0


class Entry:
    """One message of the topic, decoded when somebody wants to have it, once for all."""

    __slots__ = ("_record", "_tail", "controller", "offset", "partition", "purpose")

    def __init__(self, record: Any) -> None:
        self.partition: int = record.partition
        self.offset: int = record.offset
        self.controller: str | None = None
        self.purpose: str | None = None
        self._tail: bytes | None = None
        self._record: KafkaRecord | None = record
        for name, value in record.headers:
            if name == "ce_source" and value.startswith(_SOURCE):
                self.controller = value[len(_SOURCE) :].decode("utf-8", "replace")
            elif name == "ce_type" and value == _HEARTBEAT:
                self._record = None

    @property
    def is_heartbeat(self) -> bool:
        return self._record is None and self._tail is None

    def tail(self, audience: Audience) -> bytes | None:
        """All of the event but its id; None where it is not for this audience.

        Raises NotUnderstood, also where it cannot be told whose change it is.
        """
        if self.controller is not None and self.controller != audience.controller:
            return None
        tail = self._decoded()
        if (
            audience.purposes is not None
            and self.purpose is not None
            and self.purpose not in audience.purposes
        ):
            return None
        return tail

    def _decoded(self) -> bytes:
        if self._tail is None:
            assert self._record is not None
            received = read_change(self._record)
            self.purpose = received.change.purpose
            body = _encode(change_body(received.change, received.traceparent))
            self._tail = b"\nevent: change\ndata: %b\n\n" % body
            self._record = None
        return self._tail


def with_id(token: bytes, tail: bytes) -> bytes:
    return b"id: " + token + tail


_SOURCE = SOURCE.encode()
_HEARTBEAT = HEARTBEAT.encode()


class Window:
    """The last `rows_max` changes, numbered on from 0. `newest` is the place behind all that was read.

    `begins` are the offsets from which on every change is here, partition by partition.
    """

    def __init__(self, start: Place, rows_max: int) -> None:
        self.newest = start.copy()
        self.begins = list(start.offsets)
        self.first = 0
        self._rows_max = rows_max
        self._entries: deque[tuple[Entry, bytes]] = deque()
        self._parts: dict[tuple[int, Audience], tuple[Part, int]] = {}
        self._told_as_of: dict[tuple[int, int], datetime] = {}

    def hear(self, partition: int, heartbeat: Heartbeat) -> None:
        """The newest word of a group of shards on a partition counts."""
        self._told_as_of[partition, heartbeat.shard_group] = heartbeat.at - heartbeat.oldest_unpublished

    @property
    def as_of(self) -> datetime | None:
        """Everything recorded before then lies before `newest`, by the heartbeats of all groups; None: not known."""
        partitions = len(self.begins)
        spoken = [
            self._told_as_of.get((partition, group))
            for partition in range(partitions)
            for group in groups_on(partition, partitions)
        ]
        known = [one for one in spoken if one is not None]
        return min(known) if len(known) == len(spoken) else None

    @property
    def end(self) -> int:
        """The number that the next change will have."""
        return self.first + len(self._entries)

    def append(self, entry: Entry) -> None:
        """The next message that was read, in the order of its partition. A heartbeat only moves the place."""
        self.newest.advance(entry.partition, entry.offset)
        if entry.is_heartbeat:
            return
        self._parts.clear()
        self._entries.append((entry, self.newest.token))
        if len(self._entries) > self._rows_max:
            oldest, _ = self._entries.popleft()
            self.begins[oldest.partition] = oldest.offset + 1
            self.first += 1

    def behind(self, place: Place) -> int:
        """The number of the first change that does not lie before the place."""
        for number, (entry, _) in enumerate(self._entries, self.first):
            if entry.offset >= place.offsets[entry.partition]:
                return number
        return self.end

    def covers(self, place: Place) -> bool:
        """Whether everything behind the place that was read is here, and will be for a while.

        Of a full window the older half does not count: it is soon gone, and a reader that comes must not be late.
        """
        if not place.reaches(self.begins):
            return False
        return self.behind(place) >= self.end - max(1, self._rows_max // 2)

    def take(self, number: int, audience: Audience) -> tuple[Part, int]:
        """The audience's events from this number on, and the number to go on from; the same bytes for every reader.

        For readers that have had everything before. Raises NotUnderstood where the next event is not understood.
        """
        key = (number, audience)
        known = self._parts.get(key)
        if known is None:
            if len(self._parts) >= _PARTS_MAX:
                self._parts.clear()
            known = self._parts[key] = self._gather(number, audience, None)
        return known

    def take_behind(self, place: Place, number: int, audience: Audience) -> tuple[Part, int]:
        """Like `take`, for a reader whose place comes from elsewhere: without what lies before it.

        The place moves on, and its own tokens are the ids.
        """
        return self._gather(number, audience, place)

    def _gather(self, number: int, audience: Audience, place: Place | None) -> tuple[Part, int]:
        events: list[bytes] = []
        size = 0
        while number < self.end and size < PART_BYTES_MAX:
            entry, token = self._entries[number - self.first]
            if place is None or entry.offset >= place.offsets[entry.partition]:
                try:
                    tail = entry.tail(audience)
                except NotUnderstood:
                    if events:
                        break
                    raise
                if place is not None:
                    place.advance(entry.partition, entry.offset)
                if tail is not None:
                    events.append(with_id(token if place is None else place.token, tail))
                    size += len(events[-1])
            number += 1
        return Part(b"".join(events), len(events)), number
