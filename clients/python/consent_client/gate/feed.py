"""What stands and what changes, asked of the service over HTTP where there is no Kafka."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Protocol

from consent_client.errors import Closed, ConsentError, NoLongerKept, NotUnderstood, Refused
from consent_client.gate.intake import EpochBegan
from consent_client.gate.knowledge import Knowledge
from consent_client.gate.moments import from_microseconds
from consent_client.http.answers import PurposeItem, PurposeTerms, StatePage
from consent_client.model import Change, Heartbeat, Purpose, SignOfLife, State, Terms
from consent_client.words import Command, Reason

_log = logging.getLogger(__name__)

_AGAIN_S = (0.2, 10.0)
_CHANGES, _PURPOSES = "changes", "purposes"
_BOTH = {_CHANGES: 1, _PURPOSES: 1}
_NOW = timedelta()
#: What was asked for is never of an earlier ledger epoch.
_ANY_EPOCH = 1 << 32
#: What a record about the person as a whole does.
_STOPS = {
    Command.RESTRICT: Reason.RESTRICTED,
    Command.SUPPRESS: Reason.SUPPRESSED,
    Command.ERASE: Reason.ERASED,
    Command.MERGE: Reason.NO_RECORD,
}
_LIFTS = {Command.LIFT_RESTRICTION: Reason.RESTRICTED, Command.LIFT_SUPPRESSION: Reason.SUPPRESSED}


class Service(Protocol):
    """What the gate needs of a client of the service: `ConsentClient`, with `changes:read` and `catalogue:read`."""

    def states(self) -> AsyncGenerator[StatePage, None]:
        """All that stands, page by page."""
        ...

    def changes(self, after: str | None = None) -> AsyncGenerator[tuple[str, Change | SignOfLife], None]:
        """What changes behind `after`, over every cut of the connection, and signs of life."""
        ...

    async def purposes(self) -> Sequence[PurposeItem]: ...


class ServiceSource:
    """Reads the snapshot, follows the changes, and asks for the purposes every `purposes_every`."""

    def __init__(self, service: Service, purposes_every: timedelta) -> None:
        self._service = service
        self._every_s = purposes_every.total_seconds()
        self._after: str | None = None
        self._as_of: datetime | None = None
        self._tries = 0
        """So often nothing came, one time after the other."""

    async def follow(self, knowledge: Knowledge) -> None:
        self._forget(knowledge, "the service has not answered yet")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_purposes(knowledge))
            tasks.create_task(self._follow_changes(knowledge))

    def _forget(self, knowledge: Knowledge, why: str) -> None:
        self._after = None
        self._as_of = None
        knowledge.begin(why, _BOTH, of_one_group=_BOTH)

    async def _follow_changes(self, knowledge: Knowledge) -> None:
        while True:
            try:
                if self._after is None:
                    await self._take_states(knowledge)
                await self._take_changes(knowledge)
            except Closed:
                raise
            except ConsentError as error:
                if isinstance(error, Refused | NotUnderstood) and not isinstance(error, NoLongerKept):
                    knowledge.refuse(str(error))
                # Where it is told that the place is gone, or nobody knows what was told, nothing that is known stands.
                if isinstance(error, NotUnderstood | NoLongerKept):
                    self._forget(knowledge, f"what stands is read anew: {error}")
                if self._tries == 0:
                    _log.warning("the stream of changes broke off", extra={"why": str(error)})
            except EpochBegan:
                self._forget(knowledge, "the ledger was restored from a backup")
            await asyncio.sleep(min(_AGAIN_S[0] * 2 ** min(self._tries, 10), _AGAIN_S[1]))
            self._tries += 1

    async def _take_states(self, knowledge: Knowledge) -> None:
        self._forget(knowledge, "what stands is being read")
        began = knowledge.clock.steady()
        await self._take_purposes(knowledge)
        after = None
        async with aclosing(self._service.states()) as pages:
            async for page in pages:
                after = page.resume
                for state in page.items:
                    self._take(knowledge, state)
                await asyncio.sleep(0)
        self._after = after
        knowledge.complete()
        self._hear(knowledge, _CHANGES, timedelta(microseconds=(knowledge.clock.steady() - began) // 1000))
        _log.info("what stands is read", extra={"pairs": len(knowledge.memory)})

    async def _take_changes(self, knowledge: Knowledge) -> None:
        async with aclosing(self._service.changes(self._after)) as changes:
            async for place, told in changes:
                self._tries = 0
                if isinstance(told, Change):
                    self._take_change(knowledge, told)
                elif told.as_of is not None:
                    self._hear_as_of(knowledge, told.as_of)
                self._after = place

    def _take_change(self, knowledge: Knowledge, change: Change) -> None:
        if change.purpose is None:
            self._take_person(knowledge, change)
        else:
            self._take(knowledge, change)

    def _take(self, knowledge: Knowledge, told: State | Change) -> None:
        memory = knowledge.memory
        if told.controller != memory.controller:
            raise NotUnderstood("the service tells of another controller")
        if told.ledger_epoch > memory.epoch:
            if memory.epoch and knowledge.touch.is_open:
                raise EpochBegan
            memory.raise_epoch(told.ledger_epoch)
        try:
            memory.take_state(told)
        except ValueError as error:
            _log.error(
                "a state is not understood; it is no", extra={"purpose": told.purpose, "why": str(error)}
            )
            memory.take_damaged(told.purpose, told.subject_id.int)

    def _take_person(self, knowledge: Knowledge, change: Change) -> None:
        """No, from what stops the person on; a lift takes back what it lifts, and nothing else."""
        reason = _STOPS.get(change.command) if change.command is not None else None
        lifted = _LIFTS.get(change.command) if change.command is not None else None
        if lifted is not None:
            known = knowledge.memory.reason_of_person(change.subject_id.int)
            if known is lifted:
                knowledge.memory.take_gone(None, change.subject_id.int)
            return
        self._take(
            knowledge,
            State(
                controller=change.controller,
                subject_id=change.subject_id,
                purpose=None,
                sequence=change.sequence,
                record_id=change.record_id,
                status=None,
                allowed=False,
                reason=reason,
                until=None,
                standing_version=None,
                legal_bases=(),
                preferences=None,
                recorded_at=change.recorded_at,
                effective_at=change.effective_at,
                ledger_epoch=change.ledger_epoch,
            ),
        )

    async def _follow_purposes(self, knowledge: Knowledge) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            if knowledge.touch.is_open:
                try:
                    await self._take_purposes(knowledge)
                except ConsentError as error:
                    # The gate falls out of touch where that goes on.
                    _log.warning("the purposes cannot be read", extra={"why": str(error)})

    async def _take_purposes(self, knowledge: Knowledge) -> None:
        began = knowledge.clock.steady()
        items = await self._service.purposes()
        memory = knowledge.memory
        for slug in memory.pursued:
            memory.take_purpose_gone(slug)
        for item in items:
            memory.take_purpose(
                Purpose(
                    controller=memory.controller,
                    purpose=item.purpose,
                    version=item.latest_version,
                    published_at=item.published_at,
                    versions=tuple(map(_terms, item.terms)),
                    ledger_epoch=_ANY_EPOCH,
                )
            )
        self._hear(knowledge, _PURPOSES, timedelta(microseconds=(knowledge.clock.steady() - began) // 1000))

    def _hear(self, knowledge: Knowledge, what: str, age: timedelta) -> None:
        """Everything of that kind is known as of so long ago."""
        at = from_microseconds(knowledge.clock.wall() // 1000)
        if what == _CHANGES:
            self._as_of = at - age
        beat = Heartbeat(shard_group=0, shard_groups=1, at=at, oldest_unpublished=age, ledger_epoch=0)
        knowledge.touch.hear(what, 0, beat)
        knowledge.tell()

    def _hear_as_of(self, knowledge: Knowledge, as_of: datetime) -> None:
        """A change alone tells nothing of the sort: others, recorded before it, may still wait to be told.

        What is known as of later, as by the snapshot, stays known.
        """
        if self._as_of is not None and as_of <= self._as_of:
            return
        self._as_of = as_of
        beat = Heartbeat(shard_group=0, shard_groups=1, at=as_of, oldest_unpublished=_NOW, ledger_epoch=0)
        knowledge.touch.hear(_CHANGES, 0, beat)
        knowledge.tell()


def _terms(told: PurposeTerms) -> Terms:
    return Terms(
        version=told.version,
        effective_from=told.effective_from,
        legal_bases=told.legal_bases,
        default_allowed=told.default_allowed,
        default_reason=told.default_reason,
        oldest_valid_version=told.oldest_valid_version,
        retired=told.retired,
        renew_after=told.renew_after,
        recipients=tuple((one.slug, one.deadline) for one in told.recipients),
    )
