"""Tasks that are told to end do, also where a library under them swallows the word."""

from __future__ import annotations

import asyncio

import pytest
from consent_client import ending


async def test_a_task_that_swallows_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)
    swallowed = 0

    async def deaf_at_first() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async def done() -> int:
        return 1

    async def faulty() -> None:
        raise ValueError

    tasks = [asyncio.create_task(work) for work in (deaf_at_first(), done(), faulty())]
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await ending.end(*tasks)

    assert tasks[0].cancelled()
    assert tasks[1].result() == 1
    assert isinstance(tasks[2].exception(), ValueError)
