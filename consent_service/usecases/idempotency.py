"""Answers kept for an idempotency key, and answered again (R24, CORE 17).

Kept are ids, permissions and problem members; never an identifier's value or evidence. Records are read again by id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from consent_service.domain.errors import (
    ConsentError,
    IdempotencyKeyReuse,
    Overloaded,
    SeveralRefusals,
    Unavailable,
)
from consent_service.domain.records import Permission
from consent_service.storage.database import Database
from consent_service.storage.idempotency import Remembered, sweep_answers
from consent_service.usecases import clock
from consent_service.usecases.submissions import Answer, Idempotency, Linked, Result

#: The refusals that are kept: decided ones (409 and 422). All others may turn out differently next time.
KEPT_REFUSALS: dict[str, int] = {
    "unknown-reference": 422,
    "invalid-value": 422,
    "evidence-required": 422,
    "not-withdrawable": 422,
    "not-objectable": 422,
    "not-consent-based": 422,
    "no-legal-basis": 422,
    "must-be-material": 422,
    "not-possible-now": 409,
    "version-overtaken": 409,
    "confirmation-needed": 409,
    "purpose-retired": 409,
    "conflicting-identifiers": 409,
    "identifier-taken": 409,
}


#: How many lapsed answers one transaction deletes.
SWEEP_ROWS_MAX = 1000
SWEEP_EVERY_S = 600.0


class ReplayedRefusal(ConsentError):
    """A refusal as it was kept; it reads as the first one did."""

    replayed = True

    def __init__(self, kept: KeptRefusal) -> None:
        super().__init__(kept.detail, pointer=kept.pointer)
        # The class attributes are the fixed refusals' own; a kept one brings its words along.
        self.slug = kept.slug  # type: ignore[misc]
        self.title = kept.title  # type: ignore[misc]
        self._members = kept.members

    def members(self) -> dict[str, Any]:
        return self._members


class ReplayedRefusals(SeveralRefusals):
    """Several refusals as they were kept."""

    replayed = True


class KeptRefusal(msgspec.Struct, frozen=True, omit_defaults=True):
    slug: str
    title: str
    detail: str
    pointer: str | None = None
    members: dict[str, Any] = {}


class KeptResult(msgspec.Struct, frozen=True):
    record_id: UUID
    appended: bool
    permission: Permission


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of both: `subject_id` with results, or refusals. `several` tells a decision's refusals from a command's."""

    subject_id: UUID | None = None
    created: bool = False
    results: tuple[KeptResult, ...] = ()
    linked: tuple[Linked, ...] = ()
    refusals: tuple[KeptRefusal, ...] = ()
    several: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode


def keep(
    claim: Idempotency, controller: str, outcome: Answer | ConsentError, now: datetime, keep_for: timedelta
) -> Remembered | None:
    """The row that remembers this outcome, or None where it is not kept."""
    if isinstance(outcome, Answer):
        status = 201 if outcome.appended else 200
        kept = Kept(
            subject_id=outcome.subject_id,
            created=outcome.created,
            results=tuple(KeptResult(one.record_id, one.appended, one.permission) for one in outcome.results),
            linked=outcome.linked,
        )
    else:
        several = isinstance(outcome, SeveralRefusals)
        refusals = outcome.refusals if isinstance(outcome, SeveralRefusals) else [outcome]
        if any(refusal.slug not in KEPT_REFUSALS for refusal in refusals):
            return None
        status = KEPT_REFUSALS[refusals[0].slug]
        kept = Kept(refusals=tuple(_kept_refusal(refusal) for refusal in refusals), several=several)
    return Remembered(
        key=claim.key,
        controller=controller,
        fingerprint=claim.fingerprint,
        status=status,
        answer=_encode(kept),
        expires_at=now + keep_for,
    )


def _kept_refusal(refusal: ConsentError) -> KeptRefusal:
    return KeptRefusal(refusal.slug, refusal.title, refusal.detail, refusal.pointer, refusal.members())


def replay(claim: Idempotency, remembered: Remembered) -> Answer:
    """The first answer again. Raises the first refusal again, or IdempotencyKeyReuse for another request's key."""
    if claim.fingerprint != remembered.fingerprint:
        raise IdempotencyKeyReuse("This Idempotency-Key was used with another path or body; take a new one.")
    kept = _decode(remembered.answer)
    if kept.refusals:
        refusals: list[ConsentError] = [ReplayedRefusal(refusal) for refusal in kept.refusals]
        raise ReplayedRefusals(refusals) if kept.several else refusals[0]
    assert kept.subject_id is not None
    return Answer(
        subject_id=kept.subject_id,
        created=kept.created,
        appended=remembered.status == 201,
        results=tuple(Result(one.record_id, one.appended, one.permission) for one in kept.results),
        linked=kept.linked,
        replayed=True,
    )


async def sweep(database: Database, controllers: Collection[str], now: datetime) -> int:
    """Delete these controllers' lapsed answers, a bounded number at a time. Returns how many went."""
    swept = 0
    while controllers:
        async with database.transaction(controllers) as connection:
            went = await sweep_answers(connection, now, SWEEP_ROWS_MAX)
        swept += went
        if went < SWEEP_ROWS_MAX:
            break
    return swept


async def sweep_regularly(database: Database, controllers: Callable[[], Collection[str]]) -> None:
    """For ever, every ten minutes; a database that is away is tried again next time."""
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        with contextlib.suppress(Overloaded, Unavailable):
            await sweep(database, controllers(), clock.now())
