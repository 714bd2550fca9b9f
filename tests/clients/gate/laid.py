"""Messages of the contract laid before a gate, one topic of one partition each, with clocks that a test sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from consent_client.gate import ConsentGate
from consent_client.gate.intake import Intake
from consent_client.gate.knowledge import Knowledge
from consent_client.gate.moments import Clock, nanoseconds

from consent_service.domain.changes import ConsentState, Heartbeat, PurposePublished
from consent_service.domain.partitions import SHARD_GROUPS
from consent_service.events.wire.encode import encode, encode_state
from consent_service.events.wire.heartbeats import encode_heartbeat
from tests.builders import DAY_ZERO
from tests.events.samples import a_heartbeat

STATES, PURPOSES = "consent.state.v1", "consent.purposes.v1"
LIMIT = timedelta(seconds=30)


class Laid(msgspec.Struct):
    """What of a consumed message is read."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int = 0
    offset: int = 0


def laid(event: ConsentState | PurposePublished | Heartbeat, topic: str = STATES) -> Laid:
    """As the service writes it; a heartbeat on that topic."""
    if isinstance(event, Heartbeat):
        key, value, headers = encode_heartbeat(event)
        return Laid(topic, key, value, headers)
    message = encode_state(event, "consent") if isinstance(event, ConsentState) else encode(event, "consent")
    return Laid(message.topic, message.key, message.value, message.headers)


class Times:
    """What the machine's clocks show; `passes` moves both, `jumps` only the one on the wall."""

    def __init__(self, at: datetime = DAY_ZERO) -> None:
        self.wall = nanoseconds(at)
        self.steady = 7

    def passes(self, time: timedelta) -> None:
        self.steady += time // timedelta(microseconds=1) * 1000
        self.jumps(time)

    def jumps(self, time: timedelta) -> None:
        self.wall += time // timedelta(microseconds=1) * 1000

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.steady)


class Gate(ConsentGate):
    """A gate that is laid its messages by hand, and is complete at once."""

    def __init__(self, at: datetime = DAY_ZERO, **options: Any) -> None:
        self.times = Times(at)
        options = {"controller": "ansettr", "out_of_touch_after": LIMIT, **options}
        super().__init__(_Nothing(), clock=self.times.clock(), **options)
        self.knowledge.begin("laid", {STATES: 1, PURPOSES: 1}, of_one_group=(PURPOSES,))
        self.intake = Intake(self.knowledge.memory, self.knowledge.touch)

    def complete(self) -> None:
        self.knowledge.complete()

    def reads(self, *messages: Laid | ConsentState | PurposePublished) -> None:
        for message in messages:
            one = message if isinstance(message, Laid) else laid(message)
            take = self.intake.take_states if one.topic == STATES else self.intake.take_purposes
            take([one])

    def hears(self, at: datetime, groups: Iterable[int] = range(SHARD_GROUPS), **fields: Any) -> None:
        """A heartbeat of each group on both topics, where nothing waits unless the fields say so."""
        for beat in self.beats(at, groups, **fields):
            self.reads(beat)
        self.knowledge.tell()

    @staticmethod
    def beats(at: datetime, groups: Iterable[int], **fields: Any) -> Sequence[Laid]:
        fields = {"oldest_unpublished": timedelta(), **fields}
        told = [a_heartbeat(shard_group=group, at=at, **fields) for group in groups]
        return [laid(beat, topic) for beat in told for topic in (STATES, PURPOSES)]


def a_gate(
    *messages: Laid | ConsentState | PurposePublished, at: datetime = DAY_ZERO, **options: Any
) -> Gate:
    """One that has read these, and is in touch at that moment."""
    gate = Gate(at, **options)
    gate.reads(*messages)
    gate.complete()
    gate.hears(at)
    return gate


class _Nothing:
    async def follow(self, knowledge: Knowledge) -> None:
        """What is laid is laid by hand."""
