"""The demo's downstream systems: each follows the stream by itself and does nothing without a yes that it has read."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.changes import ConsentChange
from consent_service.events.follow import Position, follow

TOPIC = "consent.changes.v1"


class Heard(msgspec.Struct, frozen=True):
    """What a recipient did when it read a change, and when (seconds of the performance counter)."""

    at: float
    processes: bool


class Recipient:
    """One downstream system, for one purpose of one controller; the words say what it does for a person."""

    def __init__(self, name: str, slug: str, controller: str, purpose: str) -> None:
        self.name = name
        self.slug = slug
        self.controller = controller
        self.purpose = purpose
        self._persons: set[UUID] = set()
        self._sequences: dict[UUID, int] = {}
        self._heard: defaultdict[UUID, asyncio.Future[Heard]] = defaultdict(asyncio.Future)
        self._reading: asyncio.Task[None] | None = None

    def processes(self, subject_id: UUID) -> bool:
        """Whether it may process data of this person, from what it has read alone."""
        return subject_id in self._persons

    def read(self, change: ConsentChange) -> None:
        """Start or stop for the person. What is not above the last sequence known is a repetition."""
        if change.controller != self.controller or change.purpose not in (self.purpose, None):
            return
        if change.sequence <= self._sequences.get(change.subject_id, 0):
            return
        self._sequences[change.subject_id] = change.sequence
        # An act on the whole person has no purpose and allows nothing; neither does an unknown word.
        if change.allowed:
            self._persons.add(change.subject_id)
        else:
            self._persons.discard(change.subject_id)
        heard = self._heard[change.record_id]
        if not heard.done():
            heard.set_result(Heard(time.perf_counter(), self.processes(change.subject_id)))

    async def heard(self, record_id: UUID, patience_s: float) -> Heard:
        """What it did on that record, as soon as it has. Raises TimeoutError, or what ended its reading."""
        heard, reading = self._heard[record_id], self._reading
        assert reading is not None
        waiting: set[asyncio.Future[Any]] = {heard, reading}
        await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if heard.done():
            return heard.result()
        if reading.done():
            reading.result()
        raise TimeoutError

    @asynccontextmanager
    async def following(self, bootstrap: str, group: str) -> AsyncIterator[None]:
        """It reads what is published while the block runs. Raises StreamAway where it cannot begin."""
        listening = asyncio.Event()
        reading = self._reading = asyncio.create_task(self._follow(bootstrap, group, listening))
        begun = asyncio.create_task(listening.wait())
        try:
            await asyncio.wait({begun, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            yield
        finally:
            begun.cancel()
            reading.cancel()
            await asyncio.wait({reading})

    async def _follow(self, bootstrap: str, group: str, listening: asyncio.Event) -> None:
        """Out of touch with the stream it processes nobody."""
        try:
            async with follow(bootstrap, TOPIC, group=group, position=Position.END) as changes:
                listening.set()
                async for received in changes:
                    self.read(received.change)
        finally:
            self._persons.clear()
