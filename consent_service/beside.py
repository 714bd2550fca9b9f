"""Tasks that go on while a block runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_log = logging.getLogger(__name__)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], *, name: str) -> AsyncIterator[None]:
    """Work that goes on while the block runs; if it ends before by a fault, that is told."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(tell_if_failed)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def until_stopped(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    *,
    name: str,
    stop: asyncio.Event | None = None,
    limit_s: float | None = None,
) -> AsyncIterator[None]:
    """Work that goes on while the block runs, or until `stop` is set before, and then ends in its own order.

    It is cancelled where that takes longer than `limit_s`.
    """
    stop = stop or asyncio.Event()
    task = asyncio.create_task(work(stop), name=name)
    task.add_done_callback(tell_if_failed)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=limit_s)
        task.cancel()
        await asyncio.wait({task})


def tell_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("%s ended by a fault", task.get_name(), exc_info=task.exception())
