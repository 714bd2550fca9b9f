"""Who plays besides the clients: our programs as processes of their own, and the engines; each may be killed and comes
again with the same settings, at the same address."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from tests.events.streams import eventually
from tests.faults.follower import opened
from tests.processes import Process, start

_log = logging.getLogger(__name__)

KEPT = (
    "select subject_id, sequence, record_id, purpose, status, allowed from kept order by subject_id, sequence"
)
FOLLOWED = ("record_id", "purpose", "status", "allowed")
#: After whatever happened the follower has everything within so long: a dead relay's lease is the longest of it.
CATCH_UP_S = 50.0


class Mortal(Protocol):
    """What a test may kill and start again."""

    async def kill(self) -> None:
        """SIGKILL, and it is gone."""

    async def restart(self) -> None:
        """It is back at work, or at its beginning where it has to wait for others."""


class Program:
    """A command of ours. `ready` are words that it says when it has begun; without any, that is not waited for."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        ready: str | None = None,
        module: str = "consent_service",
    ) -> None:
        self._arguments = arguments
        self._environment = environment
        self._ready = ready
        self._module = module
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        assert self._process is not None, "not started"
        return self._process

    async def restart(self) -> None:
        self._process = await start(*self._arguments, environment=self._environment, module=self._module)
        if self._ready is not None:
            await self._process.hear(self._ready)

    async def kill(self) -> None:
        assert await self.process.stop(signal.SIGKILL) == -signal.SIGKILL, self.said()

    def pause(self) -> None:
        """It stands still, with everything it has open and under way."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on, and knows nothing of the pause."""
        os.kill(self.process.pid, signal.SIGCONT)

    async def stop(self) -> None:
        assert await self.process.stop() == 0, self.said()

    def said(self) -> str:
        return "\n".join([" ".join(self._arguments), *self.process.lines])

    async def __aenter__(self) -> Self:
        await self.restart()
        return self

    async def __aexit__(self, error: object, *_: object) -> None:
        await self.process.stop(signal.SIGKILL)
        _log.log(logging.INFO if error is None else logging.WARNING, "%s", self.said())


class Follower(Program):
    """The tests' own consumer, and a look at what it keeps."""

    def __init__(self, bootstrap: str, topic: str, folder: Path) -> None:
        file = folder / "follower.sqlite"
        super().__init__(bootstrap, topic, str(file), environment={}, module="tests.faults.follower")
        self._kept: sqlite3.Connection = opened(file)

    @property
    def count(self) -> int:
        """How many changes it has kept."""
        return int(self._kept.execute("select count(*) from kept").fetchone()[0])

    async def has(self, count: int) -> None:
        """Return once it has kept so many."""

        async def enough() -> bool:
            assert self.process.running, self.said()
            return self.count >= count

        try:
            await eventually(enough, CATCH_UP_S)
        except TimeoutError:
            raise AssertionError(f"{self.count} of {count} changes arrived\n{self.said()}") from None

    async def equals(self, rows: list[dict[str, Any]]) -> None:
        """What it keeps at last is the ledger, row by row."""
        await self.has(len(rows))
        expected = [
            (str(row["subject_id"]), row["sequence"], *(_plain(row[name]) for name in FOLLOWED))
            for row in rows
        ]
        assert self._kept.execute(KEPT).fetchall() == expected

    async def __aexit__(self, *how: object) -> None:
        await super().__aexit__(*how)
        self._kept.close()


def _plain(value: Any) -> Any:
    """As SQLite keeps it."""
    return value if value is None else int(value) if isinstance(value, bool) else str(value)


def through(url: str, port: int) -> str:
    """The same server, reached at another port."""
    parts = urlsplit(url)
    return url.replace(f"@{parts.hostname}:{parts.port}/", f"@{parts.hostname}:{port}/", 1)
