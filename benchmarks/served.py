"""A process that is measured: started, ready, stopped."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import deque

import psutil

READY_S = 30.0
STOP_S = 30.0
BYTES_PER_MB = 1_000_000

#: What a process says when it is ready; the port where it serves HTTP.
SERVING = re.compile(r"serving url=http://[^:]+:(\d+)")
PUBLISHING = re.compile(r"groups of shards to publish")
SWEEPING = re.compile(r"this sweeper's turn")


class Served:
    """A process that is ready and said so; its last words are kept for when it fails."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: deque[str] = deque(maxlen=50)
        self._listening: asyncio.Task[None] | None = None
        self.port = 0

    async def ready(self, words: re.Pattern[str]) -> None:
        """Raises RuntimeError when it ended instead."""
        assert self._process.stderr is not None
        async with asyncio.timeout(READY_S):
            async for line in self._process.stderr:
                self._said.append(line.decode(errors="replace").rstrip())
                found = words.search(self._said[-1])
                if found is not None:
                    self.port = int(found[1]) if found.groups() else 0
                    self._listening = asyncio.create_task(self._listen())
                    return
        raise RuntimeError("it did not start:\n" + "\n".join(self._said))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def resident_mb(self) -> float:
        return float(psutil.Process(self.pid).memory_info().rss) / BYTES_PER_MB

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        async with asyncio.timeout(STOP_S):
            await self._process.wait()
        if self._listening is not None:
            await self._listening

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._said.append(line.decode(errors="replace").rstrip())
            print(f"  the service says: {self._said[-1]}", file=sys.stderr)
