"""Ending what uses aiokafka, which swallows a cancellation now and then where it cancels tasks of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import KafkaError

#: Kafka is away or refuses. The last is uvloop's word for a connection that was reset.
BROKEN = (KafkaError, OSError, TimeoutError, RuntimeError)

#: Longer than anything takes that has heard it.
_AGAIN_S = 5.0
_STOP_S = 2.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them, and once more where they have not heard it, until all have ended. What they raise is not raised."""
    going_on = {task for task in tasks if not task.done()}
    while going_on:
        for task in going_on:
            task.cancel()
        going_on = (await asyncio.wait(going_on, timeout=_AGAIN_S))[1]


async def stop(client: Any, within_s: float = _STOP_S) -> None:
    """Stop a consumer or producer of aiokafka, whose own `stop` may wait for ever for a task that it told to end.

    What is left after `within_s` is cut off. That Kafka is away or refuses is not raised.
    """
    stopping = asyncio.create_task(client.stop())
    try:
        await asyncio.wait({stopping}, timeout=within_s)
    finally:
        await end(stopping)
    if not stopping.cancelled() and not isinstance(stopping.exception(), BROKEN):
        stopping.result()
