"""Tasks that are told to end do, also where a library under them swallows the word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.errors import KafkaError
from consent_client import ending
from consent_client.gate import ConsentGate
from consent_client.gate.knowledge import Knowledge


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


class Client:
    """Of aiokafka, as it stops: `stop` is a piece of work that may not end, or fail."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self.stop = work


async def forever() -> None:
    await asyncio.Event().wait()


def failing(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error", [KafkaError(), ConnectionResetError(), RuntimeError(), asyncio.CancelledError()]
)
async def test_what_kafka_says_while_a_client_is_stopped_is_not_raised(error: BaseException) -> None:
    await ending.stop(Client(failing(error)), 5)


async def test_a_fault_while_a_client_is_stopped_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await ending.stop(Client(failing(ZeroDivisionError())), 5)


async def test_a_client_that_does_not_stop_is_cut_off() -> None:
    async with asyncio.timeout(5):
        await ending.stop(Client(forever), 0.01)


async def test_who_is_cancelled_while_a_client_stops_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    stopping = asyncio.create_task(ending.stop(Client(forever), 60))
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.wait({stopping})

    assert stopping.cancelled()
    assert asyncio.all_tasks() == before


class DeafAtFirst:
    """A gate's source that does not hear the first word."""

    async def follow(self, knowledge: Knowledge) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        await forever()


async def test_a_gate_that_is_left_follows_no_more_also_where_a_cancellation_is_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)
    before = asyncio.all_tasks()
    async with asyncio.timeout(5):
        async with ConsentGate(DeafAtFirst(), controller="ansettr"):
            await asyncio.sleep(0)

    assert asyncio.all_tasks() == before
