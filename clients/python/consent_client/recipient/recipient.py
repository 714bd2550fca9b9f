"""The base of a downstream system: give it a slug, purposes and what to do, and run it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from consent_client import clock
from consent_client.errors import ConsentError, Refused
from consent_client.model import Acknowledgement, Change
from consent_client.recipient.answers import Accepted, Answer, outcome_of, stable_id
from consent_client.recipient.consuming import Source
from consent_client.recipient.counters import Counters
from consent_client.recipient.events import stands
from consent_client.recipient.handling import Duty, Handling
from consent_client.recipient.mapping import AskIdentifiers, MappingKey, OwnRecords
from consent_client.recipient.opening import store_from
from consent_client.recipient.running import Member, told_to_stop
from consent_client.recipient.sending import SendAcknowledgements
from consent_client.recipient.settings import Begin, Limits
from consent_client.recipient.store import Store
from consent_client.words import Outcome


class _AtWork(msgspec.Struct, frozen=True):
    """What a running recipient is made of."""

    duty: Duty
    store: Store
    handling: Handling
    records: OwnRecords
    client: AskIdentifiers | None


class Recipient(ABC):
    """One downstream system: `slug` as the purposes' versions name it, and the purposes that it pursues.

    Handlers are called at least once for each change, one after the other for one person, side by side for
    different ones. What they do must bear being done twice.
    """

    slug: str
    purposes: tuple[str, ...]
    _at_work: _AtWork | None = None
    _counters: Counters | None = None

    @abstractmethod
    async def stop(self, change: Change) -> Answer:
        """Pursue `change.purpose` no more for the person. None is the outcome `stopped`.

        Of a change about the person as a whole it is called for each of the purposes. Where it raises it is called
        again.
        """

    async def start(self, change: Change) -> Answer:
        """`change.purpose` may be pursued for the person, as `change` says. None is the outcome `started`."""
        return None

    async def find(self, identifiers: Sequence[Any]) -> str | None:
        """Your own id of whoever has these identifiers (`type`, `value`); None where you hold nobody of the sort.

        `record_of` asks it at each change until somebody is found: whom you do not hold today you may hold tomorrow.
        """
        return None

    @property
    def counters(self) -> Counters:
        """What it has done since it began to run."""
        return self._counters or Counters()

    async def record_of(self, subject_id: UUID) -> str | None:
        """Your own id of a person: remembered once it was found by their identifiers at the service.

        Nobody is not remembered, since a stop that believed it would leave in place whom you have come to hold since.
        Call it in `start`: once the person is erased at the service, only what was remembered tells whom to stop.
        """
        at_work = self._running()
        own_id = await at_work.records.recall(subject_id)
        if own_id is not None or at_work.client is None:
            return own_id
        try:
            identifiers = await at_work.client.identifiers(subject_id)
        except Refused as error:
            # Nobody has this id, or they were erased.
            if error.type in ("not-found", "erased"):
                return None
            raise
        own_id = await self.find(identifiers)
        if own_id is not None:
            await at_work.records.remember(subject_id, own_id)
        return own_id

    async def remember(self, subject_id: UUID, own_id: str) -> None:
        """Keep, sealed, whose record a person is in your system."""
        await self._running().records.remember(subject_id, own_id)

    async def forget(self, subject_id: UUID) -> None:
        """Drop it, once nothing of the person is left in your system."""
        await self._running().records.forget(subject_id)

    async def acknowledge(
        self, record_id: UUID, subject_id: UUID, outcome: Outcome, due_at: datetime | None = None
    ) -> None:
        """A later word about a record, as after `Accepted`.

        Raises Unavailable, and ValueError for a `due_at` without a time zone.
        """
        if due_at is not None and due_at.tzinfo is None:
            raise ValueError("due_at needs a time zone")
        at_work = self._running()
        await at_work.handling.acknowledge(
            Acknowledgement(
                acknowledgement_id=stable_id(record_id, f"{self.slug} {outcome} {due_at}"),
                controller=at_work.duty.controller,
                recipient=self.slug,
                record_id=record_id,
                subject_id=subject_id,
                outcome=outcome,
                at=clock.now(),
                due_at=due_at,
            )
        )

    async def retry(self, subject_id: UUID) -> bool:
        """Let what is parked of a person be tried at once. False where nothing is."""
        return await self._running().store.hurry(str(subject_id), clock.now(), release=False)

    async def release(self, subject_id: UUID) -> bool:
        """Drop the first event that is parked of a person, unhandled, and go on with the next. False: there is none."""
        return await self._running().store.hurry(str(subject_id), clock.now(), release=True)

    async def run(
        self,
        *,
        kafka: str,
        controller: str,
        store: Store | str | Path | None = None,
        prefix: str = "consent",
        group: str | None = None,
        member: str | None = None,
        begin: Begin | str = Begin.STANDING,
        client: AskIdentifiers | None = None,
        acknowledge_over: SendAcknowledgements | None = None,
        mapping_keys: Sequence[MappingKey] = (),
        limits: Limits | None = None,
        kafka_options: Mapping[str, Any] | None = None,
        stop: asyncio.Event | None = None,
    ) -> None:
        """Obey until `stop` is set; without `stop`, until SIGTERM or SIGINT. Kafka or the store may be away meanwhile.

        `kafka` is host:port, `kafka_options` (TLS, SASL) go to aiokafka as they are. `store`: the path of an SQLite
        file, a `postgresql://` URL, or None for memory. `client` is asked for identifiers; words go to Kafka, or over
        HTTP with `acknowledge_over`. All members of one `group` share the work; one with a name of its own, `member`,
        keeps its partitions when it is begun again at once. `begin`: where a new group begins.
        """
        duty, chosen = self._duty(controller), store_from(store)
        group = group or f"consent-recipient-{controller}-{self.slug}"
        self._counters = Counters()
        work = Member(
            duty=duty,
            source=Source(kafka, prefix, group, kafka_options or {}, member, Begin(begin)),
            store=chosen,
            limits=limits or Limits(),
            counters=self._counters,
            acknowledge_over=acknowledge_over,
        )
        records = OwnRecords(chosen, mapping_keys, duty.owner)
        with told_to_stop(stop) as told:
            async with work.handling(self._called) as handling:
                self._at_work = _AtWork(duty, chosen, handling, records, client)
                await work.obey(handling, told)

    def _duty(self, controller: str) -> Duty:
        slug, purposes = getattr(self, "slug", ""), getattr(self, "purposes", ())
        if not slug or not purposes or isinstance(purposes, str):
            raise ConsentError(
                f"{type(self).__name__} needs a slug and a tuple of purposes: "
                'slug = "recruitee"; purposes = ("rekruttering",)'
            )
        return Duty(controller, slug, tuple(purposes))

    async def _called(self, change: Change) -> Outcome | Accepted:
        """What its handler says about one purpose, by what stands now."""
        if stands(change):
            return outcome_of(await self.start(change), Outcome.STARTED)
        return outcome_of(await self.stop(change), Outcome.STOPPED)

    def _running(self) -> _AtWork:
        if self._at_work is None:
            raise ConsentError(
                "the recipient does not run: call this from a handler, or while `run` is awaited"
            )
        return self._at_work
