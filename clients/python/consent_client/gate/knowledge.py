"""What a source fills and the gate asks: memory, and how old it is."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Protocol

from consent_client.gate.memory import Memory
from consent_client.gate.moments import Clock
from consent_client.gate.touch import Touch


class Knowledge:
    """`why` tells, in words, what a gate that is not ready waits for."""

    def __init__(self, memory: Memory, touch: Touch, clock: Clock) -> None:
        self.memory = memory
        self.touch = touch
        self.clock = clock
        self.why = "it was not started"
        self.was_ready = False
        self.refusal: str | None = None
        """What waiting alone does not heal, such as a token that is not taken; None once something was read."""
        self._news = asyncio.Event()

    def begin(self, why: str, partitions: Mapping[str, int], of_one_group: Collection[str] = ()) -> None:
        """Forget everything; it is about to be read from topics with so many partitions (see `Touch.expect`)."""
        self.memory.forget()
        self.touch.expect(partitions, of_one_group)
        self.why = why
        self.was_ready = False

    def refuse(self, why: str) -> None:
        """The source was told no. It goes on trying, since a token may be mended; who waits is told at once."""
        self.refusal = why
        self.tell()

    def complete(self) -> None:
        """Everything that stood at the beginning is read."""
        self.refusal = None
        self.why = "no heartbeat tells yet that what was read is up to date"
        self.touch.open()
        self.tell()

    def tell(self) -> None:
        """Something was taken: those who wait look again."""
        if self.touch.is_kept():
            self.was_ready = True
        self._news.set()

    async def told(self) -> None:
        """Return at the next news."""
        self._news.clear()
        await self._news.wait()


class Source(Protocol):
    """Where what stands is read, and then followed."""

    async def follow(self, knowledge: Knowledge) -> None:
        """Until cancelled, whatever is away meanwhile."""
