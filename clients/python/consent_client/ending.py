"""Ending tasks that use aiokafka, which swallows a cancellation now and then where it cancels tasks of its own."""

from __future__ import annotations

import asyncio
from typing import Any

#: Longer than anything takes that has heard it.
_AGAIN_S = 5.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them, and once more where they have not heard it, until all have ended. What they raise is not raised."""
    going_on = {task for task in tasks if not task.done()}
    while going_on:
        for task in going_on:
            task.cancel()
        going_on = (await asyncio.wait(going_on, timeout=_AGAIN_S))[1]
