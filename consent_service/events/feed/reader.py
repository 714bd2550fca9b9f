"""One reader of the feed: from its place, through Kafka where it must, to the window that all share (R32)."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from consent_service.domain.values import format_time
from consent_service.events.feed.follower import BROKEN, Follower, records_of
from consent_service.events.feed.places import Place
from consent_service.events.feed.window import Audience, Entry, Part, with_id
from consent_service.events.wire.messages import NotUnderstood
from consent_service.metrics import Metrics

_log = logging.getLogger(__name__)

#: Milliseconds after which a client comes back, a little different for each: they do not all come at once.
RETRY_MS = (1000, 3000)
#: What a reader that is behind decodes in one step, so that others get their turn.
_STEP_RECORDS_MAX = 100
#: A reader that is behind comes nearer by so many messages in so many seconds, or is there. Else it is cut off: it
#: would keep its connection to Kafka from others for ever.
GROUND_ROWS = 1000
GROUND_S = 60.0


class _TooSlow(Exception):
    """The reader does not come nearer to the window."""


class Reader:
    """A stream of server-sent events for one audience.

    It ends by itself when Kafka is away, the service stops, or it is too slow: the client comes back with its last id.
    """

    def __init__(
        self,
        follower: Follower,
        audience: Audience,
        place: Place | None,
        metrics: Metrics,
        *,
        catches_up: bool,
        heartbeat_s: float,
        closed: Callable[[Reader], None],
    ) -> None:
        """Without a place it begins at the window's end."""
        self.catches_up = catches_up
        self.controller = audience.controller
        self._follower = follower
        self._window = follower.window
        self._audience = audience
        #: Its own, until it is where the window's end is; then none is needed.
        self._place = place
        self._number = self._window.end if place is None else self._window.behind(place)
        self._metrics = metrics
        # A tick may come just before the time, so the last one that keeps the promise counts.
        self._quiet_s = heartbeat_s * 0.7
        self._sent_at = self._signed_at = time.monotonic()
        self._closed = closed
        self._open = True
        self._hello = b"retry: %d\n" % random.randint(*RETRY_MS) + self._sign_of_life()  # noqa: S311  jitter
        metrics.feed_readers.inc()

    async def close(self, *, stalled: bool = False) -> None:
        """Nothing more is read for it. `stalled`: it did not take what it was sent."""
        if not self._open:
            return
        self._open = False
        self._follower.readers -= 1
        self._follower.touch()
        self._metrics.feed_readers.dec()
        if stalled:
            self._cut_off("stalled")
        self._closed(self)

    async def parts(self) -> AsyncIterator[bytes]:
        """What is to be sent, piece after piece."""
        yield self._hello
        try:
            if self.catches_up:
                async for sent in self._catch_up():
                    yield sent
            while not self._follower.ended:
                if self._number < self._window.first:
                    self._cut_off("slow")
                    return
                part = self._next()
                if part.events:
                    yield self._sending(part)
                if self._is_at_the_end() and time.monotonic() - self._signed_at >= self._quiet_s:
                    yield self._sign_of_life()
                elif not part.events:
                    await self._follower.news()
        except _TooSlow:
            self._cut_off("slow")
        except NotUnderstood as error:
            _log.error(
                "nothing is told behind a change on %s that is not understood: %s",
                self._follower.topic,
                error,
            )
        except BROKEN as error:
            _log.warning("no longer caught up with: %s", self._follower.topic, extra={"error": repr(error)})

    async def _catch_up(self) -> AsyncIterator[bytes]:
        place = self._place
        assert place is not None
        behind, looked_at = self._behind(place), time.monotonic()
        async with self._follower.reading_from(place) as consumer:
            while not self._window.covers(place) and not self._follower.ended:
                records = await records_of(consumer, records_max=_STEP_RECORDS_MAX)
                events, fault = self._read(records, place)
                if events:
                    yield self._sending(Part(b"".join(events), len(events)))
                elif self._is_quiet():
                    yield self._sign_of_life()
                if fault is not None:
                    raise fault
                if time.monotonic() - looked_at >= GROUND_S:
                    if not self._window.covers(place) and self._behind(place) > behind - GROUND_ROWS:
                        raise _TooSlow
                    behind, looked_at = self._behind(place), time.monotonic()
            self._number = self._window.behind(place)
            self.catches_up = False

    def _behind(self, place: Place) -> int:
        """How many messages lie between the place and the newest that is known."""
        return sum(self._window.newest.offsets) - sum(place.offsets)

    def _read(self, records: list[Any], place: Place) -> tuple[list[bytes], NotUnderstood | None]:
        """The audience's events among these, up to one that is not understood; the place moves past them."""
        events: list[bytes] = []
        for record in records:
            entry = Entry(record)
            try:
                tail = None if entry.is_heartbeat else entry.tail(self._audience)
            except NotUnderstood as fault:
                return events, fault
            place.advance(entry.partition, entry.offset)
            if tail is not None:
                events.append(with_id(place.token, tail))
        return events, None

    def _next(self) -> Part:
        window = self._window
        if self._place is None:
            part, self._number = window.take(self._number, self._audience)
            return part
        part, self._number = window.take_behind(self._place, self._number, self._audience)
        if self._number == window.end and window.newest.reaches(self._place.offsets):
            self._place = None
        return part

    def _sending(self, part: Part) -> bytes:
        self._sent_at = time.monotonic()
        self._metrics.feed_events.inc(part.events)
        return part.sent

    def _is_quiet(self) -> bool:
        return time.monotonic() - self._sent_at >= self._quiet_s

    def _is_at_the_end(self) -> bool:
        """Whether it was sent all that the window has."""
        return not self.catches_up and self._number == self._window.end

    def _sign_of_life(self) -> bytes:
        """A comment and the newest id: everything before it was sent, or is none of this reader's.

        At the window's end also as of when that is all that was recorded, where the relays' heartbeats tell.
        """
        self._sent_at = self._signed_at = time.monotonic()
        place = self._place
        told = b": heartbeat\n"
        if self._is_at_the_end():
            if place is not None:
                place.join(self._window.newest.offsets)
            if (as_of := self._window.as_of) is not None:
                told += b": as of %b\n" % format_time(as_of).encode()
        return b"%bid: %b\n\n" % (told, (place or self._window.newest).token)

    def _cut_off(self, why: str) -> None:
        self._metrics.feed_cut_off.labels(why).inc()
