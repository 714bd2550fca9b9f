"""What becomes of one event: acted on, kept, acknowledged; or, where it cannot be, parked with all behind it (R34)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import TypeVar
from uuid import UUID

import msgspec

from consent_client import clock
from consent_client.errors import Unavailable
from consent_client.model import Acknowledgement, Change, DeadLetter
from consent_client.recipient.answers import Accepted, stable_id, word, word_of
from consent_client.recipient.counters import Counters
from consent_client.recipient.events import Event, understood
from consent_client.recipient.gathering import Gathering
from consent_client.recipient.partition import LeftOff, Partition
from consent_client.recipient.sending import Acknowledging
from consent_client.recipient.settings import Limits
from consent_client.recipient.store import Parked, Settled, Store, Told
from consent_client.wire.envelope import Outgoing, type_of
from consent_client.wire.writing import dead_letter_message
from consent_client.words import Outcome

HANDLER_FAILED = "handler-failed"
NOT_UNDERSTOOD = "not-understood"
_PARKED_READ = 100
_log = logging.getLogger("consent_client.recipient")
Result = TypeVar("Result")
Call = Callable[[Change], Awaitable[Outcome | Accepted]]


class Duty(msgspec.Struct, frozen=True):
    """Who the recipient is, and what it is there for."""

    controller: str
    recipient: str
    purposes: tuple[str, ...]

    @property
    def owner(self) -> str:
        """Under which a store keeps what is this recipient's."""
        return f"{self.controller}/{self.recipient}"

    def purposes_of(self, change: Change) -> tuple[str, ...]:
        """Those of its own that a change is about: all where it is about the person as a whole."""
        if change.controller != self.controller:
            return ()
        if change.purpose is None:
            return self.purposes
        return (change.purpose,) if change.purpose in self.purposes else ()


class Handling:
    """`call` calls the handler for one purpose; `bury` sends a dead letter. Each subject's events come one by one."""

    def __init__(
        self,
        duty: Duty,
        call: Call,
        store: Store,
        answers: Acknowledging,
        bury: Callable[[Outgoing], Awaitable[None]],
        limits: Limits,
        counters: Counters,
    ) -> None:
        self.duty = duty
        self._call = call
        self._store = store
        self._bury = bury
        self._limits = limits
        self._counters = counters
        self._slots = asyncio.Semaphore(limits.handlers_max)
        self._parked: dict[str, Partition] = {}
        self._known = Gathering(self._read_known)
        self._settle = Gathering(self._write_acts)
        self._answer = Gathering(self._send_words)
        self._answers = answers

    def concerns(self, event: Event) -> bool:
        """Whether there is anything to do: what is not understood may well be."""
        return event.change is None or bool(self.duty.purposes_of(event.change))

    async def take_up(self, partition: Partition) -> None:
        """Whoever had something parked still waits. Raises LeftOff."""
        waiting = await self.persist(partition, lambda: self._store.waiting([partition.number]))
        if partition.closed.is_set():
            raise LeftOff
        self._parked |= dict.fromkeys(waiting, partition)
        self._counters.parked = len(self._parked)

    async def let_go(self, partition: Partition) -> None:
        """Another member goes on with it."""
        theirs = [subject for subject, where in self._parked.items() if where is partition]
        for subject in theirs:
            del self._parked[subject]
            if not self._store.durable:
                for one in await self._store.parked(subject, 1_000_000):
                    await self._store.unpark(one.place)
        self._counters.parked = len(self._parked)

    def partition_of(self, subject: str) -> Partition | None:
        """Where a parked subject lies, if this member holds it."""
        return self._parked.get(subject)

    async def arrived(self, partition: Partition, event: Event) -> None:
        """Raises LeftOff."""
        told = event.told
        if told.subject not in self._parked:
            reason = await self._try(partition, event)
            if reason is None:
                partition.done(told)
                return
            await self._complain(partition, event, reason)
            tries = self._limits.tries_max
            due = self._limits.parked_until(tries)
            waits = _filed(told, partition)
            kept = await self.persist(partition, lambda: self._store.park(waits, tries=tries, retry_at=due))
            self._parked[told.subject] = partition
            self._counters.parked = len(self._parked)
        else:
            kept = await self.persist(partition, lambda: self._store.park(_filed(told, partition)))
        if self._store.durable or not kept:
            partition.done(told)

    async def again(self, partition: Partition, subject: str) -> None:
        """Try what is parked of a subject, in its order, up to the first that fails again. Raises LeftOff."""
        while waiting := await self.persist(partition, lambda: self._store.parked(subject, _PARKED_READ)):
            for one in waiting:
                if not one.released and not await self._retried(partition, one):
                    return
                await self.persist(partition, partial(self._store.unpark, one.place))
                if not self._store.durable:
                    partition.done(one.told)
        self._parked.pop(subject, None)
        self._counters.parked = len(self._parked)

    async def persist(self, partition: Partition, act: Callable[[], Awaitable[Result]]) -> Result:
        """Until it works: the store or Kafka may be away for long. Raises LeftOff."""
        tries = 0
        while True:
            try:
                return await act()
            except Unavailable as error:
                tries += 1
                _log.warning("trying again: %s", error)
            await partition.pause(self._limits.wait_s(tries))

    async def acknowledge(self, word: Acknowledgement) -> None:
        """Raises Unavailable."""
        await self._answer(word)

    async def _retried(self, partition: Partition, one: Parked) -> bool:
        event = understood(one.told)
        reason = await self._act(partition, event)
        if reason is None:
            return True
        tries = one.tries + 1
        if tries == (1 if reason == NOT_UNDERSTOOD else self._limits.tries_max):
            await self._complain(partition, event, reason)
        due = self._limits.parked_until(tries)
        await self.persist(partition, lambda: self._store.delay(one.place, due))
        return False

    async def _try(self, partition: Partition, event: Event) -> str | None:
        """None once it is done; else why it is not, after as many tries as make sense."""
        tries = 0
        while True:
            reason = await self._act(partition, event)
            tries += 1
            if reason is None or reason == NOT_UNDERSTOOD or tries >= self._limits.tries_max:
                return reason
            await partition.pause(self._limits.wait_s(tries))

    async def _act(self, partition: Partition, event: Event) -> str | None:
        """One try. None once the handler has returned, the store has it and the word has arrived."""
        change = event.change
        if change is None:
            self._counters.not_understood += 1
            return NOT_UNDERSTOOD
        subject, place = event.told.subject, (change.ledger_epoch, change.sequence)
        known = await self.persist(partition, lambda: self._known(subject))
        purposes = self.duty.purposes_of(change)
        new = [purpose for purpose in purposes if purpose not in known or place > known[purpose].place]
        if not new:
            self._counters.repeated += 1
            said = next((known[purpose].word for purpose in purposes if known[purpose].place == place), None)
        else:
            try:
                async with self._slots:
                    outcomes = [await self._call(_about(change, purpose)) for purpose in new]
            except Exception as error:  # noqa: BLE001  whatever it raises, it has not acted
                self._counters.failed += 1
                what, where = type(error).__name__, _where(error)
                _log.warning("the handler failed on %s: %s at %s", _named(event), what, where)
                return HANDLER_FAILED
            said = word_of(change, self.duty.recipient, outcomes)
            acts = [_settled(partition, subject, purpose, place, said) for purpose in new]
            await self.persist(partition, lambda: self._settle(acts))
            self._counters.handled += 1
        if said is not None:
            # Also of a repetition: whoever acted may have died before the word had arrived.
            await self.persist(partition, lambda: self._answer(said))
        return None

    async def _complain(self, partition: Partition, event: Event, reason: str) -> None:
        """Once for each event that is not getting through: the word `failed`, and a dead letter."""
        told, change = event.told, event.change
        _log.error(
            "an event is parked, and with it all that this person's events say from now on: %s, %s",
            reason,
            _named(event),
        )
        if change is not None and change.record_id.int:
            said = word(change, self.duty.recipient, Outcome.FAILED)
            await self.persist(partition, lambda: self._answer(said))
        letter = DeadLetter(
            dead_letter_id=stable_id(
                change.record_id if change is not None else UUID(int=0),
                f"{self.duty.owner} {told.topic} {told.partition} {told.offset}",
            ),
            recipient=self.duty.recipient,
            topic=told.topic,
            partition=told.partition,
            offset=told.offset,
            reason=reason,
            at=clock.now(),
            type=type_of(told) or "",
            value=told.value or b"",
        )
        await self.persist(partition, lambda: self._bury(dead_letter_message(letter, told.key or b"")))
        self._counters.dead_letters += 1

    async def _read_known(self, subjects: Sequence[str]) -> list[Mapping[str, Settled]]:
        found = await self._store.settled(set(subjects))
        by_subject: dict[str, dict[str, Settled]] = {}
        for (subject, purpose), act in found.items():
            by_subject.setdefault(subject, {})[purpose] = act
        return [by_subject.get(subject, {}) for subject in subjects]

    async def _write_acts(self, acts: Sequence[Sequence[Settled]]) -> list[None]:
        await self._store.settle([act for some in acts for act in some])
        return [None] * len(acts)

    async def _send_words(self, words: Sequence[Acknowledgement]) -> list[None]:
        await self._answers.acknowledge(words)
        self._counters.acknowledged += len(words)
        return [None] * len(words)


def _filed(told: Told, partition: Partition) -> Told:
    """Under the partition by whose holder it is looked for; a state may have come from one of another number."""
    if told.partition == partition.number:
        return told
    return msgspec.structs.replace(told, partition=partition.number)


def _named(event: Event) -> str:
    """By what it can be found, and not whose it is."""
    told, change = event.told, event.change
    if change is not None and change.record_id.int:
        return f"record {change.record_id}"
    if not told.topic:
        return "a record that a restored ledger does not have"
    return f"{told.topic} partition {told.partition} offset {told.offset}"


def _about(change: Change, purpose: str) -> Change:
    return change if change.purpose is not None else msgspec.structs.replace(change, purpose=purpose)


def _settled(
    partition: Partition, subject: str, purpose: str, place: tuple[int, int], said: Acknowledgement | None
) -> Settled:
    return Settled(
        subject=subject,
        purpose=purpose,
        partition=partition.number,
        ledger_epoch=place[0],
        sequence=place[1],
        word=said,
    )


def _where(error: BaseException) -> str:
    """The innermost place of an exception: never its message, which may quote somebody's data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
