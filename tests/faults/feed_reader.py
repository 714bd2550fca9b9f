"""A reader of `/v1/changes` as `docs/EVENTS.md` advises: it comes back with the last id, and drops what it knows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.events.feeds import blocks
from tests.events.streams import eventually
from tests.http.event_streams import Cut, EventStream, streaming

_log = logging.getLogger(__name__)
#: What the service is told, so that a reader hears soon that it hears nothing.
HEARTBEAT_S = 1.0
AGAIN_S = 0.2
CATCH_UP_S = 50.0
#: Kafka is away, as the service sees it; everything else is a fault.
AWAY = 503
#: What is compared with the ledger.
READ = ("subject_id", "sequence", "record_id", "purpose", "command", "status", "version", "source")


class FeedReader:
    """`kept` has every change once, in the order of their arrival; `opened` counts the streams it took."""

    def __init__(self, url: str, token: str) -> None:
        self.kept: list[dict[str, Any]] = []
        self.opened = 0
        self._url = url
        self._token = token
        self._last_id: str | None = None
        self._heads: dict[str, int] = {}

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                async with streaming(self._url, self._token, last_id=self._last_id) as stream:
                    assert stream.status in (200, AWAY), await stream.problem()
                    if stream.status == 200:
                        self.opened += 1
                        self._last_id = stream.hello.id
                        await self._read(stream)
            except (Cut, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                _log.info("again after %s", type(error).__name__)
            await asyncio.sleep(AGAIN_S)

    async def _read(self, stream: EventStream) -> None:
        """To its end. Raises Cut, TimeoutError."""
        while True:
            async with asyncio.timeout(2 * HEARTBEAT_S):
                text = await stream.text()
            if text is None:
                return
            [event] = blocks(text)
            if event.data is not None:
                self._keep(event.data)
            self._last_id = event.id

    def _keep(self, change: dict[str, Any]) -> None:
        subject_id, sequence = change["subject_id"], change["sequence"]
        known = self._heads.get(subject_id, 0)
        if sequence <= known:
            return
        assert sequence == known + 1, f"{subject_id}: {sequence} after {known}"
        self._heads[subject_id] = sequence
        self.kept.append(change)

    async def has(self, count: int) -> None:
        """Return once it has kept so many."""

        async def enough() -> bool:
            return len(self.kept) >= count

        try:
            await eventually(enough, CATCH_UP_S)
        except TimeoutError:
            raise AssertionError(f"{len(self.kept)} of {count} changes were read") from None

    async def equals(self, rows: list[dict[str, Any]]) -> None:
        """It was told every record of the ledger, as it is."""
        await self.has(len(rows))
        told = sorted(self.kept, key=lambda change: (change["subject_id"], change["sequence"]))
        assert [[change.get(name) for name in READ] for change in told] == [
            [str(row[name]) if name.endswith("_id") else row[name] for name in READ] for row in rows
        ]


@asynccontextmanager
async def reading(url: str, token: str) -> AsyncIterator[FeedReader]:
    """A reader at work from now on; what it meets that must not be ends the block."""
    reader = FeedReader(url, token)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(reader.follow())

        async def begun() -> bool:
            return reader.opened > 0

        await eventually(begun)
        yield reader
        following.cancel()
