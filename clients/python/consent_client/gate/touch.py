"""How old is what the gate knows, told by the heartbeats of all groups on all partitions (R33)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta

import msgspec

from consent_client.gate.moments import Clock, nanoseconds
from consent_client.model import Heartbeat
from consent_client.wire.topics import groups_on

_NEVER = -1


class Heard(msgspec.Struct, frozen=True):
    """Nanoseconds: the speaker's clock, as of when all is told by that clock, and by our steady one."""

    at: int
    as_of: int
    steady_as_of: int


class Touch:
    """In touch is who knows everything as of at most `limit` ago, by the machine's clock and by the steady one.

    A clock that was set back makes old news look young; so the speaker's clock must not be further ahead of ours
    either. `is_open` is the gate's own switch: what is known was read to its end.
    """

    def __init__(self, clock: Clock, limit: timedelta) -> None:
        self._clock = clock
        self._limit = limit // timedelta(microseconds=1) * 1000
        self._partitions: Mapping[str, int] = {}
        self._of_one_group: Collection[str] = ()
        self._heard: dict[tuple[str, int], tuple[int, dict[int, Heard]]] = {}
        self._worst: Heard | None = None
        self._is_open = False
        self.wall_from = self.wall_upto = self.steady_upto = _NEVER

    def expect(self, partitions: Mapping[str, int], of_one_group: Collection[str] = ()) -> None:
        """Begin anew: so many partitions each topic has. Nothing is heard yet, and nothing read."""
        self._partitions = dict(partitions)
        self._of_one_group = of_one_group
        self._heard.clear()
        self._is_open = False
        self._look()

    def open(self) -> None:
        self._is_open = True
        self._look()

    @property
    def is_open(self) -> bool:
        return self._is_open

    def hear(self, topic: str, partition: int, beat: Heartbeat) -> None:
        """The newest word of a group on a partition counts."""
        groups, heard = self._heard.get((topic, partition), (0, {}))
        if groups != beat.shard_groups:
            groups, heard = beat.shard_groups, {}
            self._heard[topic, partition] = groups, heard
        at = nanoseconds(beat.at)
        waits = beat.oldest_unpublished // timedelta(microseconds=1) * 1000
        heard[beat.shard_group] = Heard(at, at - waits, self._clock.steady() - waits)
        self._look()

    def forget_heard(self) -> None:
        """What was heard so far tells nothing any more."""
        self._heard.clear()
        self._look()

    def is_kept(self) -> bool:
        return self.holds(self._clock.wall(), self._clock.steady())

    def holds(self, wall: int, steady: int) -> bool:
        return self.wall_from <= wall <= self.wall_upto and steady <= self.steady_upto

    def age(self) -> timedelta | None:
        """As of how long ago everything is known; None while that is not known."""
        worst = self._worst
        if worst is None:
            return None
        age = max(self._clock.wall() - worst.as_of, self._clock.steady() - worst.steady_as_of)
        return timedelta(microseconds=age // 1000)

    def _of_all(self) -> Heard | None:
        every = list(self._all())
        found = [one for one in every if one is not None]
        if len(found) < len(every) or not found:
            return None
        return Heard(
            max(one.at for one in found),
            min(one.as_of for one in found),
            min(one.steady_as_of for one in found),
        )

    def _all(self) -> Iterator[Heard | None]:
        for topic, count in self._partitions.items():
            for partition in range(count):
                groups, heard = self._heard.get((topic, partition), (0, {}))
                if not groups:
                    yield None
                    return
                # Purposes are no subjects: one group speaks for all of them.
                speaking = heard if topic in self._of_one_group else groups_on(partition, count, groups)
                for group in speaking:
                    yield heard.get(group)

    def _look(self) -> None:
        # While what stands is being read there may be many, and nobody asks.
        worst = self._worst = self._of_all() if self._is_open else None
        if worst is None:
            self.wall_from = self.wall_upto = self.steady_upto = _NEVER
            return
        self.wall_from = worst.at - self._limit
        self.wall_upto = worst.as_of + self._limit
        self.steady_upto = worst.steady_as_of + self._limit
