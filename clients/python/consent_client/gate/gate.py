"""The permission answer in the consumer's own process (R33)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from consent_client.ending import end
from consent_client.errors import Unavailable
from consent_client.gate.answers import Answer, GateReason
from consent_client.gate.feed import Service, ServiceSource
from consent_client.gate.kafka import KafkaSource
from consent_client.gate.knowledge import Knowledge, Source
from consent_client.gate.memory import CONSENT, YES, Memory
from consent_client.gate.moments import Clock
from consent_client.gate.packing import CODES, UNTIL, UNTILS, VERSION, VERSIONS
from consent_client.gate.touch import Touch

_log = logging.getLogger(__name__)
_CODE = CODES - 1

OUT_OF_TOUCH_AFTER = timedelta(seconds=30)
OUT_OF_TOUCH_OVER_HTTP_AFTER = timedelta(seconds=45)
READY_WITHIN = timedelta(seconds=60)


class ConsentGate:
    """Loads what stands, follows it, and says no unless it knows better.

    ::

        async with ConsentGate.kafka("127.0.0.1:9092", controller="ansettr") as gate:
            await gate.ready()
            if gate.allows(subject_id, "nyhetsbrev"):
                ...

    One task of the running event loop keeps it up to date. After the block every answer is no.
    """

    def __init__(
        self,
        source: Source,
        *,
        controller: str,
        purposes: Collection[str] | None = None,
        out_of_touch_after: timedelta = OUT_OF_TOUCH_AFTER,
        clock: Clock | None = None,
    ) -> None:
        """Of all the controller's purposes, or of those named. Usually made by `kafka` or `http`."""
        self._clock = clock or Clock()
        self._wall, self._steady = self._clock.wall, self._clock.steady
        self._memory = Memory(controller, purposes)
        self._touch = Touch(self._clock, out_of_touch_after)
        self.knowledge = Knowledge(self._memory, self._touch, self._clock)
        self._source = source
        self._following: asyncio.Task[None] | None = None

    @classmethod
    def kafka(cls, bootstrap: str, *, controller: str, prefix: str = "consent", **options: Any) -> Self:
        """Read `<prefix>.state.v1` and `<prefix>.purposes.v1`, in no consumer group.

        `kafka_options` go to aiokafka's consumer (`security_protocol`, `ssl_context`, ...), the others to ConsentGate.
        """
        source = KafkaSource(bootstrap, prefix, options.pop("kafka_options", {}))
        return cls(source, controller=controller, **options)

    @classmethod
    def http(
        cls,
        service: Service,
        *,
        controller: str,
        out_of_touch_after: timedelta = OUT_OF_TOUCH_OVER_HTTP_AFTER,
        **options: Any,
    ) -> Self:
        """Ask the service itself, where there is no Kafka: a `ConsentClient` with `changes:read` and `catalogue:read`.

        The service gives a sign of life every 15 seconds; purposes are asked for four times in `out_of_touch_after`.
        """
        source = ServiceSource(service, out_of_touch_after / 4)
        return cls(source, controller=controller, out_of_touch_after=out_of_touch_after, **options)

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._following is not None
        await end(self._following)

    async def ready(self, within: timedelta = READY_WITHIN) -> None:
        """Return once everything that stood is read and known to be up to date. Raises Unavailable, which says why."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not self._touch.is_kept():
                    if self.knowledge.refusal is not None:
                        raise Unavailable(f"The gate is not ready: {self.knowledge.refusal}.")
                    if self._following is None or self._following.done():
                        raise Unavailable(f"The gate does not follow: {self.knowledge.why}.")
                    await self.knowledge.told()
        except TimeoutError:
            raise Unavailable(f"The gate is not ready: {self.knowledge.why}.") from None

    def allows(self, subject_id: UUID | str, purpose: str) -> bool:
        """May the purpose be pursued for the person now. Asks nobody. Raises ValueError for what is no subject id."""
        # The same as `answer`, but for its reasons; written so that it takes a microsecond.
        subject = subject_id.int if subject_id.__class__ is UUID else _number(subject_id)
        wall, steady, touch = self._wall(), self._steady(), self._touch
        if steady > touch.steady_upto or not touch.wall_from <= wall <= touch.wall_upto:
            return False
        memory = self._memory
        pursued = memory.pursued.get(purpose)
        if pursued is None or (memory.persons and not memory.allows_person(subject)):
            return False
        now = steady + self._clock.ahead
        if wall > now:
            now = self._clock.at(wall, steady)
        if not pursued.since <= now < pursued.upto:
            pursued.turn(now, memory.epoch)
        packed = pursued.pairs.get(subject)
        if packed is None:
            return pursued.default
        rule = pursued.rules[packed & _CODE]
        if rule != CONSENT or packed < memory.in_epoch:
            return rule == YES and packed >= memory.in_epoch
        until = packed >> UNTIL & UNTILS
        return packed >> VERSION & VERSIONS >= pursued.oldest_valid and (not until or now < until * 1000)

    def answer(self, subject_id: UUID | str, purpose: str) -> Answer:
        """As `allows`, with the reason."""
        subject = subject_id.int if isinstance(subject_id, UUID) else _number(subject_id)
        if not self._touch.is_kept():
            was_ready = self.knowledge.was_ready
            return Answer(False, GateReason.OUT_OF_TOUCH if was_ready else GateReason.NOT_READY)
        return self._memory.answer(subject, purpose, self._clock.now())

    @property
    def freshness(self) -> timedelta | None:
        """As of how long ago everything is known, of the worst partition; None while that is not known."""
        return self._touch.age()

    def __len__(self) -> int:
        """Subjects and purposes of which something is known."""
        return len(self._memory)

    async def _follow(self) -> None:
        knowledge = self.knowledge
        why = "it was closed"
        try:
            await self._source.follow(knowledge)
        except Exception as error:
            why = f"it failed with {type(error).__name__}"
            _log.exception("the gate follows no more; nothing is allowed")
            raise
        finally:
            knowledge.begin(why, {})
            knowledge.tell()


def _number(subject_id: UUID | str) -> int:
    # UUID would take 1.5 microseconds, and signs that are none of a subject's id.
    digits = str(subject_id).replace("-", "")
    if len(digits) != 32 or not (digits.isascii() and digits.isalnum()):
        raise ValueError("a subject's id is a UUID")
    return int(digits, 16)
