"""A downstream system that notes what it is asked, and fails where it is told to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from consent_client.model import Change
from consent_client.recipient import Limits, Recipient, Store
from consent_client.recipient.answers import Answer

from tests.clients.recipient.topics import Topics
from tests.events.streams import PATIENCE_S, eventually, subject

QUICK = Limits(
    retry_s=0.001,
    retry_s_max=0.01,
    parked_retry_s=0.01,
    parked_retry_s_max=0.05,
    look_s=0.02,
    commit_s=0.02,
    tries_max=3,
    finish_s=2.0,
    session_s=6.0,
)
GROUP = "consent-recipient-ansettr-system"


class System(Recipient):
    """`done` has (subject number, verb and sequence) of every call that returned; `fails` decides which raise."""

    slug = "system"
    purposes: tuple[str, ...] = ("nyhetsbrev",)

    def __init__(self, fails: Callable[[Change], bool] = lambda _: False) -> None:
        self.fails = fails
        self.done: list[tuple[int, str]] = []
        self.purposes_seen: list[str | None] = []
        self.tries: Counter[int] = Counter()
        self.at_once: Counter[UUID] = Counter()
        self.overlapped = False
        self.answer: Answer = None
        self.hold: asyncio.Event | None = None

    async def start(self, change: Change) -> Answer:
        return await self._note("start", change)

    async def stop(self, change: Change) -> Answer:
        return await self._note("stop", change)

    def of(self, number: int) -> list[str]:
        return [what for who, what in self.done if who == number]

    async def _note(self, verb: str, change: Change) -> Answer:
        number = change.subject_id.int & 0xFFFFFFFF
        self.tries[number] += 1
        self.at_once[change.subject_id] += 1
        self.overlapped |= self.at_once[change.subject_id] > 1
        try:
            await (self.hold.wait() if self.hold is not None else asyncio.sleep(0))
            if self.fails(change):
                raise RuntimeError(f"nobody but {change.subject_id} may read this")
            self.done.append((number, f"{verb} {change.sequence}"))
            self.purposes_seen.append(change.purpose)
        finally:
            self.at_once[change.subject_id] -= 1
        return self.answer


@asynccontextmanager
async def obeying(
    recipient: Recipient, topics: Topics, store: Store | str | Path | None = None, **options: Any
) -> AsyncIterator[asyncio.Event]:
    """The recipient runs until the block ends, and must end well."""
    stop = asyncio.Event()
    options = {"limits": QUICK, "controller": "ansettr", **options}
    running = asyncio.create_task(
        recipient.run(kafka=topics.bootstrap, prefix=topics.prefix, store=store, stop=stop, **options)
    )
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)


async def until(happened: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as it is so. Raises TimeoutError."""

    async def so() -> bool:
        return happened()

    await eventually(so, patience_s)


def only(number: int) -> Callable[[Change], bool]:
    """It fails for this subject alone."""
    return lambda change: change.subject_id == subject(number)
