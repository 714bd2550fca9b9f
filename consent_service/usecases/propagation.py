"""Proof of propagation: what recipients say is kept, and told to those who ask (R34)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from consent_service.domain.errors import ConsentError, NotFound, SeveralRefusals, Unavailable
from consent_service.domain.propagation import (
    AckOutcome,
    NoSuchRecord,
    NotARecipient,
    Reached,
    Word,
    judge,
)
from consent_service.domain.purposes import Purpose
from consent_service.metrics import Metrics
from consent_service.storage.database import RETRYABLE, Connection, Database
from consent_service.storage.ledger import read_revisions
from consent_service.storage.propagation import (
    DutyRow,
    Judged,
    Settled,
    WordRow,
    keep_words,
    read_propagation,
    read_reached,
)
from consent_service.usecases import clock
from consent_service.usecases.catalogue import Catalogue

_log = logging.getLogger(__name__)

#: How often words that met others about the same records are tried again.
TRIES_MAX = 5

_BUSY = "Too much is said about these records at once; nothing was kept. Try again."


class RecipientPropagation(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient and one record. `owed_since` and `due_at` are null where it owed nothing and spoke all the same.

    `settled_at` is by our clock, `acknowledged_at` by the recipient's; `settled_by` is the record that the settling
    word named, this one or a later one of the same purpose. `late_s` counts from `due_at` to `settled_at`, or to now.
    """

    recipient: str
    owed_since: datetime | None = None
    due_at: datetime | None = None
    settled_at: datetime | None = None
    settled_by: UUID | None = None
    outcome: AckOutcome | None = None
    acknowledged_at: datetime | None = None
    late_s: float = 0.0
    acknowledgements: list[WordRow] = []


class Propagation(msgspec.Struct, frozen=True):
    """How far one record has come."""

    record_id: UUID
    purpose: str | None
    sequence: int
    allowed: bool | None
    recipients: list[RecipientPropagation]


class Acknowledgements:
    """Takes recipients' words. `settled` in answers counts the duties that they ended."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        *,
        metrics: Metrics | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._metrics = metrics or Metrics()
        self._now = now

    async def take(self, words: Sequence[Word]) -> int:
        """Keep all of them or none. Raises SeveralRefusals with pointers below `/records`, Unavailable."""
        settled, refused = await self._try(words, all_or_none=True)
        if refused:
            one = words[0]
            extra = {"controller": one.controller, "recipient": one.recipient, "count": len(refused)}
            reasons = sorted({reason_of(refusal) for refusal in refused.values()})
            _log.warning("acknowledgements are refused", extra={**extra, "reason": ", ".join(reasons)})
            raise SeveralRefusals(
                [
                    _at(refusal, f"/records/{place}{refusal.pointer or ''}")
                    for place, refusal in sorted(refused.items())
                ]
            )
        return settled

    async def take_each(self, words: Sequence[Word]) -> dict[int, ConsentError]:
        """Keep those that are believed. Returns the refusals of the others by their place. Raises Unavailable."""
        _, refused = await self._try(words, all_or_none=False)
        return refused

    async def _try(self, words: Sequence[Word], *, all_or_none: bool) -> tuple[int, dict[int, ConsentError]]:
        for attempt in range(1, TRIES_MAX + 1):
            now = self._now()
            try:
                controllers = {word.controller for word in words}
                async with self._database.transaction(controllers, retried=True) as connection:
                    judged, refused = await self._judge(connection, words, now)
                    kept = bool(judged) and not (refused and all_or_none)
                    settled = await keep_words(connection, judged, now) if kept else []
            except RETRYABLE as error:
                if attempt == TRIES_MAX:
                    raise Unavailable(_BUSY) from error
                await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311 - jitter, not a secret
            else:
                self._count(judged if kept else [], settled, refused, now)
                return len(settled), refused
        raise AssertionError("the last try returns or raises")

    async def _judge(
        self, connection: Connection, words: Sequence[Word], now: datetime
    ) -> tuple[list[Judged], dict[int, ConsentError]]:
        purposes = await self._purposes(connection, {word.controller for word in words})
        found = await read_reached(connection, [(word.controller, word.record_id) for word in words])
        judged: list[Judged] = []
        refused: dict[int, ConsentError] = {}
        for place, (word, reached) in enumerate(zip(words, found, strict=True)):
            about = _about(reached, purposes[word.controller])
            try:
                judge(word, reached, about, now)
            except ConsentError as refusal:
                refused[place] = refusal
            else:
                assert reached is not None
                judged.append(Judged(word, reached))
        return judged, refused

    async def _purposes(
        self, connection: Connection, controllers: Collection[str]
    ) -> dict[str, Mapping[str, Purpose]]:
        """None of a controller that is not known."""
        revisions = await read_revisions(connection, controllers)
        return {
            controller: await self._catalogue.purposes_in(connection, controller, revisions[controller])
            if controller in revisions
            else {}
            for controller in controllers
        }

    def _count(
        self,
        judged: Sequence[Judged],
        settled: Sequence[Settled],
        refused: Mapping[int, ConsentError],
        now: datetime,
    ) -> None:
        for outcome, times in Counter(one.word.outcome for one in judged).items():
            self._metrics.acknowledgements.labels(outcome).inc(times)
        for one in settled:
            seconds = (now - one.owed_since).total_seconds()
            self._metrics.propagation_seconds.labels(one.controller, one.recipient).observe(max(0.0, seconds))
        for why, times in Counter(reason_of(refusal) for refusal in refused.values()).items():
            self._metrics.acknowledgements_refused.labels(why).inc(times)

    async def propagation(self, controller: str, record_id: UUID) -> Propagation:
        """How far a record has come. Raises NotFound."""
        async with self._database.transaction([controller], read_only=True) as connection:
            (reached,) = await read_reached(connection, [(controller, record_id)])
            if reached is None:
                raise NotFound("The controller has no such record.")
            duties, words = await read_propagation(
                connection, controller, reached.subject_id, reached.sequence
            )
        said: dict[str, list[WordRow]] = {}
        for word in words:
            said.setdefault(word.recipient, []).append(word)
        now = self._now()
        recipients = [_recipient(duty, said.pop(duty.recipient, []), now) for duty in duties]
        recipients += [
            RecipientPropagation(recipient=name, acknowledgements=spoken)
            for name, spoken in sorted(said.items())
        ]
        return Propagation(record_id, reached.purpose, reached.sequence, reached.allowed, recipients)


def reason_of(refusal: ConsentError) -> str:
    """A refusal in a word, for metrics and logs."""
    if isinstance(refusal, NoSuchRecord):
        return "unknown_record"
    if isinstance(refusal, NotARecipient):
        return "not_a_recipient"
    return f"invalid_{(refusal.pointer or '').rpartition('/')[2]}"


def _about(reached: Reached | None, purposes: Mapping[str, Purpose]) -> Collection[Purpose]:
    """What a record is about: all purposes where it is about the person as a whole."""
    if reached is None:
        return ()
    if reached.purpose is None:
        return purposes.values()
    purpose = purposes.get(reached.purpose)
    return () if purpose is None else (purpose,)


def _at(refusal: ConsentError, pointer: str) -> ConsentError:
    refusal.pointer = pointer
    return refusal


def _recipient(duty: DutyRow, said: list[WordRow], now: datetime) -> RecipientPropagation:
    return RecipientPropagation(
        recipient=duty.recipient,
        owed_since=duty.owed_since,
        due_at=duty.due_at,
        settled_at=duty.settled_at,
        settled_by=duty.settled_by,
        outcome=duty.outcome,
        acknowledged_at=duty.acknowledged_at,
        late_s=max(0.0, ((duty.settled_at or now) - duty.due_at).total_seconds()),
        acknowledgements=said,
    )
