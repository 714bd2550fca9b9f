"""The demo's downstream systems: recipients as anybody would write them, which act on what they read and say so."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
from consent_client import Limits, Recipient
from consent_client.model import Change

TOPIC = "consent.changes.v1"
#: Progress is looked at so often, to tell when a recipient has caught up.
_LIMITS = Limits(commit_s=0.1)


class Heard(msgspec.Struct, frozen=True):
    """What a recipient did when it read a change, and when (seconds of the performance counter)."""

    at: float
    processes: bool


class System(Recipient):
    """One downstream system, for one purpose of one controller; the words say what it does for a person."""

    def __init__(self, name: str, slug: str, controller: str, purpose: str) -> None:
        self.name = name
        self.slug = slug
        self.controller = controller
        self.purpose = purpose
        self.purposes = (purpose,)
        self._persons: set[UUID] = set()
        self._heard: defaultdict[UUID, asyncio.Future[Heard]] = defaultdict(asyncio.Future)
        self._working: asyncio.Task[None] | None = None

    async def start(self, change: Change) -> None:
        self._persons.add(change.subject_id)
        self._note(change)

    async def stop(self, change: Change) -> None:
        self._persons.discard(change.subject_id)
        self._note(change)

    def processes(self, subject_id: UUID) -> bool:
        """Whether it may process data of this person, from what it was told alone."""
        return subject_id in self._persons

    async def heard(self, record_id: UUID, patience_s: float) -> Heard:
        """What it did on that record, as soon as it has. Raises TimeoutError, or what ended its work."""
        heard, working = self._heard[record_id], self._working
        assert working is not None
        waiting: set[asyncio.Future[Any]] = {heard, working}
        await asyncio.wait(waiting, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if heard.done():
            return heard.result()
        if working.done():
            working.result()
        raise TimeoutError

    @asynccontextmanager
    async def at_work(self, bootstrap: str, patience_s: float) -> AsyncIterator[None]:
        """It follows while the block runs, which begins once it has caught up. Raises TimeoutError."""
        stop = asyncio.Event()
        self._working = asyncio.create_task(
            self.run(
                kafka=bootstrap,
                controller=self.controller,
                # Whoever writes a recipient of the same name afterwards begins anew.
                group=f"consent-demo-{self.controller}-{self.slug}",
                limits=_LIMITS,
                stop=stop,
            )
        )
        try:
            async with asyncio.timeout(patience_s):
                while self.counters.lag != 0 and not self._working.done():  # noqa: ASYNC110  a count tells nobody
                    await asyncio.sleep(_LIMITS.commit_s / 2)
            yield
        finally:
            stop.set()
            # Out of touch with the stream it processes nobody.
            self._persons.clear()
            await asyncio.wait({self._working})

    def _note(self, change: Change) -> None:
        heard = self._heard[change.record_id]
        if not heard.done():
            heard.set_result(Heard(time.perf_counter(), self.processes(change.subject_id)))
