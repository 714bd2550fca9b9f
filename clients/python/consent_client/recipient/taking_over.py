"""What stands is acted on before the changes behind it: at a first start, over a gap, in a new ledger epoch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from consent_client.ending import end
from consent_client.recipient.catching_up import CatchUp
from consent_client.recipient.events import Event, understood
from consent_client.recipient.handling import Handling
from consent_client.recipient.lanes import Lanes
from consent_client.recipient.partition import LeftOff, Partition
from consent_client.recipient.settings import Limits
from consent_client.recipient.store import Store, Told

_ALIVE_S = 0.2
_log = logging.getLogger("consent_client.recipient")
Result = TypeVar("Result")


class TakeOver:
    """`put` lets an event be handled in its turn; `say_alive` is called now and then while that takes long.

    Each method returns when everything is handled or parked, and raises LeftOff. `partitions` counts those of the
    changes.
    """

    def __init__(
        self,
        catch_up: CatchUp,
        handling: Handling,
        store: Store,
        lanes: Lanes,
        limits: Limits,
        put: Callable[[Partition, Event], None],
        say_alive: Callable[[], Awaitable[None]],
    ) -> None:
        self._catch_up = catch_up
        self._handling = handling
        self._store = store
        self._lanes = lanes
        self._limits = limits
        self._put = put
        self._say_alive = say_alive

    async def at_first(self, partition: Partition, partitions: int) -> None:
        """All that stands, of which nothing was heard before."""
        newest = await self._take(partition, await self._what_stands(partition, partitions, filled=True))
        if newest:
            await self._know_epoch(partition, newest)

    async def over_gap(self, partition: Partition, partitions: int) -> None:
        """Changes are gone before they were read."""
        _log.error("changes are gone before they were read: taking over what stands")
        await self._take(partition, await self._what_stands(partition, partitions, filled=True))

    async def enter_epoch(self, partition: Partition, partitions: int, ledger_epoch: int) -> None:
        """The first event of a higher epoch has come: what the ledger knows no more stands no more."""
        if partition.ledger_epoch is not None:
            _log.warning("the ledger was restored from a backup: taking over what stands")
            # The topic may long be told anew: what it knows already is taken from it at once. A state of an earlier
            # epoch is still to be told; until then it is not known.
            stands = await self._what_stands(partition, partitions, filled=False)
            lost = await self._catch_up.what_is_lost(stands, partition.number, ledger_epoch)
            await self._take(partition, [*stands, *lost], ledger_epoch)
        await self._know_epoch(partition, ledger_epoch)

    async def _what_stands(self, partition: Partition, partitions: int, *, filled: bool) -> list[Told]:
        return await self._patiently(
            self._handling.persist(
                partition, lambda: self._catch_up.what_stands(partition.number, partitions, filled=filled)
            )
        )

    async def _take(self, partition: Partition, found: list[Told], ledger_epoch: int = 0) -> int:
        """Of that epoch or a later one, and what nobody understands. Returns the newest epoch among them."""
        newest = 0
        for told in found:
            event = understood(told)
            epoch = ledger_epoch if event.change is None else event.change.ledger_epoch
            if epoch >= ledger_epoch:
                await self._room(partition)
                partition.take_over()
                self._put(partition, event)
                newest = max(newest, epoch)
        await self._patiently(partition.idle())
        _raise_if_closed(partition)
        return newest

    async def _know_epoch(self, partition: Partition, ledger_epoch: int) -> None:
        if not partition.taken_over:
            # A failure that only this process remembers is taken over once more by whoever is next.
            await self._handling.persist(
                partition, lambda: self._store.set_epoch(partition.number, ledger_epoch)
            )
        partition.ledger_epoch = ledger_epoch

    async def _room(self, partition: Partition) -> None:
        while not await self._lanes.room(self._limits.events_max, limit_s=_ALIVE_S):
            await self._say_alive()
        _raise_if_closed(partition)

    async def _patiently(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What may take longer than the group waits for a member that asks for nothing."""
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({task}, timeout=_ALIVE_S))[0]:
                await self._say_alive()
            return task.result()
        finally:
            await end(task)


def _raise_if_closed(partition: Partition) -> None:
    if partition.closed.is_set():
        raise LeftOff
