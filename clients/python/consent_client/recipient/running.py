"""One member of a recipient's group, from its store's opening to its leaving the group."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec
from aiokafka.errors import KafkaError

from consent_client.ending import end
from consent_client.errors import Unavailable
from consent_client.reach import UNREACHABLE, Reach
from consent_client.recipient.catching_up import CatchUp
from consent_client.recipient.consuming import Consuming, Source
from consent_client.recipient.counters import Counters
from consent_client.recipient.handling import Call, Duty, Handling
from consent_client.recipient.naming import warn_of_misnaming
from consent_client.recipient.sending import HttpAcknowledging, KafkaSender, SendAcknowledgements
from consent_client.recipient.settings import Limits
from consent_client.recipient.store import Store
from consent_client.wire.topics import dead_topic

#: Whoever worked for so long is not in trouble any more.
_STEADY_S = 60.0
_log = logging.getLogger("consent_client.recipient")


class Member(msgspec.Struct, frozen=True):
    """What it is there for, where its changes are, what it keeps, and how it answers."""

    duty: Duty
    source: Source
    store: Store
    limits: Limits
    counters: Counters
    acknowledge_over: SendAcknowledgements | None = None

    @asynccontextmanager
    async def handling(self, call: Call) -> AsyncIterator[Handling]:
        """Handling that can send; closed with what it sends over."""
        sender = KafkaSender(
            self.source.bootstrap, self.source.prefix, self.source.options, self.limits.answer_s
        )
        over = self.acknowledge_over
        answers = sender if over is None else HttpAcknowledging(over, self.duty.recipient)
        dead = dead_topic(self.source.prefix)
        try:
            yield Handling(
                self.duty,
                call,
                self.store,
                answers,
                lambda letter: sender.send(dead, letter),
                self.limits,
                self.counters,
            )
        finally:
            await sender.close()
            await self.store.close()

    async def obey(self, handling: Handling, stop: asyncio.Event) -> None:
        """Life after life, until told to stop: each ends where Kafka or the store fails for good."""
        await self._until(stop, lambda: self.store.open(self.duty.owner))
        if stop.is_set():
            return
        reach = Reach(_log.warning, self.source.bootstrap)
        where = (self.source.bootstrap, self.source.prefix, self.source.options, self.duty)
        catch_up = CatchUp(*where, self.store)
        warning = asyncio.create_task(warn_of_misnaming(*where))
        try:
            await self._until(
                stop,
                lambda: Consuming(
                    self.source, handling, self.store, self.limits, self.counters, catch_up, reach
                ).run(stop),
                reach,
            )
        finally:
            await end(warning)

    async def _until(
        self, stop: asyncio.Event, act: Callable[[], Awaitable[None]], reach: Reach | None = None
    ) -> None:
        """Try until it ends well, or told to stop."""
        tries, loop = 0, asyncio.get_running_loop()
        while not stop.is_set():
            began = loop.time()
            try:
                await act()
                return
            except (KafkaError, OSError, Unavailable) as error:
                tries = 1 if loop.time() - began > _STEADY_S else tries + 1
                if reach is not None and isinstance(error, UNREACHABLE):
                    reach.away(error)
                else:
                    why = str(error) if isinstance(error, Unavailable) else type(error).__name__
                    _log.warning("beginning again: %s", why)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.limits.wait_s(tries)):
                    await stop.wait()


#: Of every recipient that runs in the main thread: a process has one handler for each signal.
_listening: set[asyncio.Event] = set()
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def told_to_stop(stop: asyncio.Event | None) -> Iterator[asyncio.Event]:
    """The caller's event, or one that SIGTERM and SIGINT set while the block runs, as they do all others'."""
    if stop is not None:
        yield stop
        return
    stop = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    loop = asyncio.get_running_loop()
    if not _listening:
        _handle_signals(loop)
    _listening.add(stop)
    try:
        yield stop
    finally:
        _listening.discard(stop)
        if not _listening:
            _leave_signals(loop)


def _tell_all() -> None:
    for stop in _listening:
        stop.set()


def _handle_signals(loop: asyncio.AbstractEventLoop) -> None:
    for number in _SIGNALS:
        # Windows has no such handlers: there the task is cancelled.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, _tell_all)


def _leave_signals(loop: asyncio.AbstractEventLoop) -> None:
    for number in _SIGNALS:
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(number)
