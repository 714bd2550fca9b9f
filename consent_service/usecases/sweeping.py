"""Time makes events: what has ended by itself becomes a record, a page at a time, behind people (R4, R17, CORE 4).

The sweeper is a caller of a ledger of its own: it names pairs that seem to have ended, and the ledger decides under the
person's lock what has ended, as it does for everybody (R23). So each is told exactly once, however many sweepers run,
and a person who speaks meanwhile is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from consent_service.domain.durations import Duration
from consent_service.domain.errors import ConsentError, Overloaded, Unavailable
from consent_service.domain.purposes import Purpose
from consent_service.domain.values import Command
from consent_service.metrics import Metrics
from consent_service.storage.database import Database
from consent_service.storage.keyring import Keyring
from consent_service.storage.ledger import read_revisions
from consent_service.storage.sweeping import (
    BEGINNING,
    Sweep,
    advance_sweep,
    begin_sweep,
    count_ended,
    count_overtaken,
    finish_sweep,
    give_back_sweeper_lease,
    read_controllers,
    read_ended,
    take_sweeper_lease,
    walk,
    walk_again,
)
from consent_service.usecases import clock
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.closings import Closed, closing
from consent_service.usecases.lateness import Lateness
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.pacing import Pace, running_seconds
from consent_service.usecases.renewals import Catalogues, Renewals
from consent_service.usecases.submissions import (
    Answer,
    Submission,
)

_log = logging.getLogger(__name__)

#: How many pairs one transaction closes: some ten milliseconds, for which their persons' commands wait at most.
PAGE_ROWS = 100
#: How many states a walk looks at in one statement, and how many of those count as one row of the pace.
WALK_ROWS = 500
LOOKED_AT_A_ROW = 20
#: How long a page waits for a person whom another transaction has locked, before it goes on without them.
LOCK_S = 0.05
#: How often what was passed over, or ended before the place that was reached, is looked for again.
LOOK_BACK_S = 10.0
#: By then every transaction that began before a change took effect has ended: a walk that begins later misses nobody.
SETTLED = timedelta(seconds=60)
PROGRESS_EVERY_S = 30.0
IDLE_S = 1.0
#: A sweeper that died is followed by another within this time.
LEASE_S = 10.0
_RENEW_AFTER_S = 3.0
_RETRY_S = 2.0


class SweepKey(NamedTuple):
    """A material change whose consents are swept: `version` is the one that has overtaken all before it."""

    controller: str
    purpose: str
    version: int


class Sweeper:
    """`holder` names this sweeper among all that run. `wake` is called after every commit that staged events."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        keyring: Keyring,
        *,
        holder: str,
        rows_per_s: int,
        renewal_notice: Duration,
        metrics: Metrics | None = None,
        wake: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = clock.now,
        seconds: Callable[[], float] = running_seconds,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._metrics = metrics or Metrics()
        self._holder = holder
        self._wake = wake
        self._now = now
        self._seconds = seconds
        # No page waits longer than a second for its pace, so that a stop is quick.
        self._page_rows = min(PAGE_ROWS, rows_per_s)
        self._pace = Pace(rows_per_s, seconds=seconds, sleep=sleep)
        self._ledger = Ledger(
            database,
            catalogue,
            keyring,
            batch_rows_max=self._page_rows,
            writers=1,
            lock_timeout_s=LOCK_S,
            wake=wake,
            now=now,
        )
        self._renewals = Renewals(database, renewal_notice, now=now, seconds=seconds)
        self._lateness = Lateness(database, self._metrics, now=now)
        self._notices = {"renewal_due": self._renewals.page, "recipient_late": self._lateness.page}
        self._after = BEGINNING
        self._finished: set[SweepKey] = set()
        self._last_key: SweepKey | None = None
        self._swept = self._told_swept = 0
        self._is_our_turn = False
        self._look_back_at = self._renew_at = self._progress_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until told to stop, which takes about a second; then another sweeper may take over at once."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    wait_s = await self._turn()
                except (Overloaded, Unavailable) as error:
                    if not failures:
                        _log.warning(
                            "sweeping stands still", extra={"error": type(error.__cause__ or error).__name__}
                        )
                    failures, wait_s = failures + 1, _RETRY_S
                except Exception as error:  # noqa: BLE001  whatever it is, what has ended is still there: try again
                    _log.error("sweeping stands still", exc_info=error)
                    failures, wait_s = failures + 1, _RETRY_S
                else:
                    if failures:
                        _log.info("sweeping goes on", extra={"attempt": failures + 1})
                    failures = 0
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await stop.wait()
        finally:
            await self._ledger.close()
            with contextlib.suppress(Overloaded, Unavailable):
                async with self._database.session() as connection:
                    await give_back_sweeper_lease(connection, self._holder)

    async def _turn(self) -> float:
        """A round where it is this sweeper's turn. Returns how long to wait, in seconds."""
        if self._seconds() >= self._renew_at:
            async with self._database.session() as connection:
                held = await take_sweeper_lease(connection, self._holder, LEASE_S)
            if not held:
                self._metrics.sweep_pending.clear()
                self._metrics.propagation_oldest_pending_seconds.clear()
            elif not self._is_our_turn:
                _log.info("it is this sweeper's turn")
            self._is_our_turn = held
            if not held:
                return _RENEW_AFTER_S
            self._renew_at = self._seconds() + _RENEW_AFTER_S
        return 0.0 if await self.round() else IDLE_S

    async def round(self) -> int:
        """A page of each kind: four waits for the pace at most. Returns how many rows were looked at, 0 where there is
        nothing to do for now.
        """
        catalogues = await self._read_catalogues()
        if not catalogues:
            return 0
        looked_at = await self._close_ended(catalogues)
        looked_at += await self._sweep_next(catalogues)
        for kind, next_page in self._notices.items():
            await self._pace.wait()
            page = await next_page(catalogues, self._page_rows)
            self._pace.spend(page.told + page.rows / LOOKED_AT_A_ROW)
            looked_at += page.rows
            if page.told:
                self._metrics.swept.labels(kind).inc(page.told)
                self._wake()
        await self._tell_progress(catalogues)
        return looked_at

    async def _read_catalogues(self) -> Catalogues:
        async with self._database.session() as connection:
            controllers = await read_controllers(connection)
        if not controllers:
            return {}
        async with self._database.transaction(controllers, read_only=True) as connection:
            revisions = await read_revisions(connection, controllers)
            return {
                controller: await self._catalogue.purposes_in(connection, controller, revision)
                for controller, revision in revisions.items()
            }

    async def _close_ended(self, catalogues: Catalogues) -> int:
        """A page of what has ended, by whatever it was: a late fact may end for a material change of long ago."""
        async with self._database.transaction(catalogues, read_only=True) as connection:
            page = await read_ended(connection, self._after, self._now(), self._page_rows)
        if page:
            await self._close(
                [
                    closing(controller, place.subject_id, place.purpose, Command.EXPIRE, place.until)
                    for controller, place in page
                ]
            )
            self._after = page[-1][1]
        if len(page) < self._page_rows and self._seconds() >= self._look_back_at:
            self._after = BEGINNING
            self._look_back_at = self._seconds() + LOOK_BACK_S
        return len(page)

    def _overtaking(self, catalogues: Catalogues) -> list[SweepKey]:
        """The newest material change of each purpose that has taken effect, where its sweep is not finished."""
        now = self._now()
        keys = [
            SweepKey(controller, slug, purpose.oldest_valid(now))
            for controller, purposes in catalogues.items()
            for slug, purpose in purposes.items()
        ]
        return [key for key in keys if key.version > 1 and key not in self._finished]

    async def _sweep_next(self, catalogues: Catalogues) -> int:
        """A page of one sweep that has anything to do; the others come after it, so that a round stays short."""
        keys = sorted(self._overtaking(catalogues))
        behind = [key for key in keys if self._last_key is None or key > self._last_key]
        for key in (*behind, *keys[: len(keys) - len(behind)]):
            looked_at = await self._sweep(key, catalogues[key.controller][key.purpose])
            if looked_at:
                self._last_key = key
                return looked_at
        return 0

    async def _sweep(self, key: SweepKey, purpose: Purpose) -> int:
        """A page of the walk over the subjects, from where it was left."""
        async with self._database.transaction([key.controller]) as connection:
            sweep = await begin_sweep(connection, *key, self._now())
            if sweep.finished_at is not None:
                self._finished.add(key)
                return 0
            looked_at, overtaken = await walk(
                connection, key.controller, key.purpose, sweep.upto_subject, key.version, WALK_ROWS
            )
        page = overtaken[: self._page_rows]
        left = sweep.left_behind
        if looked_at:
            at = purpose.versions[key.version - 1].effective_from
            closed = await self._close(
                [closing(key.controller, one, key.purpose, Command.INVALIDATE, at) for one in page]
            )
            self._pace.spend(len(looked_at) / LOOKED_AT_A_ROW)
            left += closed.left
            upto = looked_at[-1] if len(page) == len(overtaken) else page[-1]
            async with self._database.transaction([key.controller]) as connection:
                await advance_sweep(connection, sweep.walk, upto, closed.left, closed.told.total())
        if len(looked_at) < WALK_ROWS and len(page) == len(overtaken):
            await self._end_walk(key, purpose, sweep, left)
        return len(looked_at)

    async def _end_walk(self, key: SweepKey, purpose: Purpose, sweep: Sweep, left: int) -> None:
        """Walk again, a little later, for those who were locked, or spoke at the very moment of the change."""
        now = self._now()
        version = purpose.versions[key.version - 1]
        settled_at = max(version.effective_from, version.published_at) + SETTLED
        if not left and sweep.walk_began_at >= settled_at:
            async with self._database.transaction([key.controller]) as connection:
                if not await finish_sweep(connection, sweep.walk, now):
                    return
            self._finished.add(key)
            _log.info(
                "swept after a material change", extra={"controller": key.controller, "purpose": key.purpose}
            )
        elif now >= max(settled_at, sweep.walk_began_at + SETTLED):
            async with self._database.transaction([key.controller]) as connection:
                await walk_again(connection, sweep.walk, now)

    async def _close(self, submissions: Sequence[Submission]) -> Closed:
        """One transaction for all of them, unless somebody is locked. Raises Unavailable where the database is away."""
        if not submissions:
            return Closed(Counter(), 0)
        await self._pace.wait()
        answers = await asyncio.gather(
            *(self._ledger.submit(one) for one in submissions), return_exceptions=True
        )
        self._pace.spend(len(submissions))
        told: Counter[Command] = Counter()
        left = 0
        for answer in answers:
            if isinstance(answer, Answer):
                told.update(one.record.command for one in answer.results if one.record is not None)
            elif not isinstance(answer, Exception):
                raise answer
            elif isinstance(answer, (Overloaded, Unavailable)) or not isinstance(answer, ConsentError):
                # Locked, or a fault that the ledger has logged. Other refusals are right: it was told already, the
                # person has spoken again, or was erased.
                left += 1
        if left == len(submissions) and not await self._database.answers():
            raise Unavailable("The database does not answer now.")
        for command, number in told.items():
            self._metrics.swept.labels(command).inc(number)
            self._metrics.records.labels(command).inc(number)
        self._swept += told.total()
        return Closed(told, left)

    async def _tell_progress(self, catalogues: Catalogues) -> None:
        """Every half a minute, in metrics; and in the log where there was something to do."""
        if self._seconds() < self._progress_at:
            return
        self._progress_at = self._seconds() + PROGRESS_EVERY_S
        await self._lateness.measure(catalogues)
        async with self._database.transaction(catalogues, read_only=True) as connection:
            ended = await count_ended(connection, self._now())
        overtaken = 0
        for key in self._overtaking(catalogues):
            async with self._database.transaction([key.controller]) as connection:
                sweep = await begin_sweep(connection, *key, self._now())
                remaining = await count_overtaken(connection, *key[:2], sweep.upto_subject, key.version)
            overtaken += remaining
            if remaining:
                extra = {"controller": key.controller, "purpose": key.purpose, "count": sweep.swept}
                _log.info("sweeping after a material change", extra={**extra, "remaining": remaining})
        self._metrics.sweep_pending.labels(Command.EXPIRE).set(ended)
        self._metrics.sweep_pending.labels(Command.INVALIDATE).set(overtaken)
        if ended or self._swept > self._told_swept:
            _log.info("swept", extra={"count": self._swept, "remaining": ended + overtaken})
            self._told_swept = self._swept
