"""The one place that opens command transactions: submissions that arrive together commit together (R23).

A consent must be durable before it is answered, and a commit costs a flush of the disk. So each process has a few
writers that take whatever waits, up to a limit; one alone never lets anybody wait. A refusal fails alone; a batch
that errors is run again one by one, so that one bad submission never takes another with it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from consent_service.domain.errors import ConsentError, Overloaded, Unavailable
from consent_service.metrics import Metrics
from consent_service.storage.audit import insert_entries
from consent_service.storage.choices import insert_choices
from consent_service.storage.database import LOCKED, RETRYABLE, TIMED_OUT, Connection, Database
from consent_service.storage.keyring import Keyring
from consent_service.storage.ledger import append
from consent_service.storage.notices import give_notices
from consent_service.storage.propagation import insert_duties
from consent_service.storage.subjects import (
    insert_identifiers,
    insert_subjects,
)
from consent_service.usecases import clock
from consent_service.usecases.batches import Batch, Entangled, Outcome
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.loading import load
from consent_service.usecases.submissions import Answer, Submission

_log = logging.getLogger(__name__)

#: How often a submission that met another transaction is tried again before its caller hears of it.
TRIES_MAX = 5
#: While another writer is at work, a batch of fewer rows than this lets more gather for so long: a batch costs the
#: database a millisecond beside what its rows cost.
GATHER_ROWS = 32
GATHER_S = 0.001
#: How long a batch waits for a person whom another transaction has locked; then it is run one by one.
BATCH_LOCK_S = 1.0
#: How long a submission does so while others wait behind it; then it goes aside.
ALONE_LOCK_S = 0.1
#: How many submissions may wait aside, each on a connection of its own.
PATIENT_MAX = 4

_BUSY = "Too much happens to this person at once; nothing was recorded. Try again."


class _Overtaken(Exception):
    """An idempotency key came into force elsewhere between reading and writing."""


class _Waiting:
    __slots__ = ("answer", "is_aside", "submission")

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.is_aside = False
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    @property
    def person(self) -> object:
        """Who is meant, as the caller names them; the same name means another person at another controller."""
        reference = self.submission.reference
        return self.submission.caller.controller, reference.subject_id or reference.identifiers


class Ledger:
    """Records submissions. `wake` is called after every commit that staged events.

    Limits: `queue_rows_max` commands wait at most, `batch_rows_max` commit together, by `writers` at a time.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        keyring: Keyring,
        *,
        metrics: Metrics | None = None,
        queue_rows_max: int = 4000,
        batch_rows_max: int = 256,
        writers: int = 2,
        lock_timeout_s: float = 5.0,
        keep_answers_for: timedelta = timedelta(hours=48),
        wake: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._keyring = keyring
        self._metrics = metrics or Metrics()
        self._queue_rows_max = queue_rows_max
        self._batch_rows_max = batch_rows_max
        self._writers_max = writers
        self._lock_timeout_s = lock_timeout_s
        self._keep_for = keep_answers_for
        self._wake = wake
        self._now = now
        self._queue: deque[_Waiting] = deque()
        self._queued_rows = 0
        self._writers = 0
        self._writing: set[asyncio.Task[None]] = set()
        self._patient: set[asyncio.Task[None]] = set()
        self._awaited: Counter[object] = Counter()
        """How many wait aside for each person: who speaks about one of them does not keep a batch waiting."""
        self._closed = False

    @property
    def queued_rows(self) -> int:
        """How many commands wait at this moment."""
        return self._queued_rows

    async def submit(self, submission: Submission) -> Answer:
        """Record the submission and return once it is durable.

        Raises the refusal, Overloaded when too many wait, Unavailable when the database is away or the service
        stops. Cancelling the caller does not take the submission back.
        """
        if self._closed:
            raise Unavailable("The service is stopping; nothing was recorded. Try again.")
        if self._queued_rows >= self._queue_rows_max:
            raise Overloaded("Too many commands wait; nothing was recorded. Try again.")
        waiting = _Waiting(submission)
        self._queue.append(waiting)
        self._queued_rows += _rows(submission)
        if self._writers < self._writers_max:
            self._writers += 1
            writer = asyncio.create_task(self._write())
            self._writing.add(writer)
            writer.add_done_callback(self._writing.discard)
        return await waiting.answer

    async def close(self, limit_s: float = 30.0) -> None:
        """Take nothing more, and return when everything that was accepted has its answer.

        What could not be recorded within `limit_s` is answered with Unavailable.
        """
        self._closed = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        while (working := self._writing | self._patient) and loop.time() < deadline:
            await asyncio.wait(working, timeout=deadline - loop.time())
        for task in self._writing | self._patient:
            task.cancel()
        while self._queue:
            _refuse(self._queue.popleft(), Unavailable("The service is stopping; nothing was recorded."))

    async def _write(self) -> None:
        """Empty the queue, batch by batch; gone in the step that found it empty, so that nobody waits in vain."""
        try:
            while self._queue:
                if self._writers > 1 and self._queued_rows < GATHER_ROWS:
                    await asyncio.sleep(GATHER_S)
                batch = self._take()
                try:
                    await self._settle(batch)
                finally:
                    for waiting in batch:
                        if not waiting.is_aside:
                            _refuse(waiting, Unavailable("The service was interrupted. Try again."))
        finally:
            self._writers -= 1

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._queue and rows < self._batch_rows_max:
            waiting = self._queue.popleft()
            rows += _rows(waiting.submission)
            batch.append(waiting)
        self._queued_rows -= rows
        return batch

    async def _settle(self, batch: list[_Waiting]) -> None:
        """Commit the batch together, or else one by one; every caller gets an answer."""
        batch = [waiting for waiting in batch if not self._follows_aside(waiting)]
        if not batch:
            return
        lock_s = min(BATCH_LOCK_S, self._lock_timeout_s)
        try:
            outcomes = await self._commit([waiting.submission for waiting in batch], lock_s)
        except Unavailable as error:
            self._wake()  # a commit whose end is not known may have staged something
            for waiting in batch:
                _refuse(waiting, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, every caller gets an answer
            if not isinstance(error, (*RETRYABLE, _Overtaken, Entangled)):
                _log.warning("batch is run again one by one", exc_info=error, extra={"count": len(batch)})
            for waiting in batch:
                if not self._follows_aside(waiting):
                    await self._settle_alone(waiting, ALONE_LOCK_S)
        else:
            for waiting, outcome in zip(batch, outcomes, strict=True):
                _answer(waiting, outcome)

    async def _settle_alone(self, waiting: _Waiting, lock_s: float) -> None:
        """Try a few times what others' transactions disturb; who meets a lock goes aside, out of the others' way."""
        for attempt in range(1, TRIES_MAX + 1):
            try:
                outcomes = await self._commit([waiting.submission], lock_s)
            except LOCKED:
                self._set_aside(waiting, lock_s)
                return
            except TIMED_OUT:
                _refuse(waiting, Unavailable(_BUSY))
                return
            except (*RETRYABLE, _Overtaken) as error:
                if attempt == TRIES_MAX:
                    extra = {"attempt": attempt, "error": type(error).__name__}
                    _log.warning("submission given up", extra=extra)
                    _refuse(waiting, Unavailable(_BUSY))
                    return
                await asyncio.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311 - jitter, not a secret
            except ConsentError as error:
                _refuse(waiting, error)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
                _log.error("submission failed", exc_info=error)
                _refuse(waiting, error)
                return
            else:
                _answer(waiting, outcomes[0])
                return

    def _follows_aside(self, waiting: _Waiting) -> bool:
        """Where others wait aside for this person: set it aside too, and tell so."""
        if not self._awaited[waiting.person]:
            return False
        self._set_aside(waiting, ALONE_LOCK_S)
        return True

    def _set_aside(self, waiting: _Waiting, lock_s: float) -> None:
        """Wait for the person's lock on a task of its own, once, if not too many do so already."""
        if lock_s >= self._lock_timeout_s or len(self._patient) >= PATIENT_MAX:
            _refuse(waiting, Unavailable(_BUSY))
            return
        waiting.is_aside = True
        self._awaited[waiting.person] += 1
        patient = asyncio.create_task(self._wait_aside(waiting))
        self._patient.add(patient)
        patient.add_done_callback(self._patient.discard)

    async def _wait_aside(self, waiting: _Waiting) -> None:
        try:
            await self._settle_alone(waiting, self._lock_timeout_s)
        finally:
            self._awaited -= Counter([waiting.person])
            _refuse(waiting, Unavailable("The service was interrupted. Try again."))

    async def _commit(self, submissions: Sequence[Submission], lock_s: float) -> list[Outcome]:
        """One transaction for all of them: find, lock, read, decide, append. Nothing is answered before it ends."""
        controllers = {submission.caller.controller for submission in submissions}
        async with self._database.transaction(controllers, retried=True, lock_timeout_s=lock_s) as connection:
            # 1. to 3. Find who is meant, lock them in one order, read what stands and what was answered before.
            loaded = await load(connection, submissions, self._keyring, self._catalogue, self._now)
            # 4. Decide, in the order of arrival, without another word to the database.
            batch = Batch(loaded, self._keyring, self._keep_for)
            outcomes = [batch.take(submission) for submission in submissions]
            # 5. Append everything.
            if not batch.is_empty:
                await self._append(connection, batch, loaded.now)
        # 6. Durable: now the relay may have it, and the callers their answers.
        if batch.written or batch.notices:
            self._wake()
        self._count(batch, len(submissions))
        return outcomes

    def _count(self, batch: Batch, submissions: int) -> None:
        self._metrics.batch_rows.observe(submissions)
        self._metrics.queued_rows.set(self._queued_rows)
        for command, times in Counter(one.command for one in batch.written).items():
            self._metrics.records.labels(command).inc(times)

    async def _append(self, connection: Connection, batch: Batch, now: datetime) -> None:
        if batch.new_subjects:
            await insert_subjects(connection, batch.new_subjects)
        if batch.new_identifiers:
            await insert_identifiers(connection, batch.new_identifiers)
            await insert_entries(connection, batch.audit)
            await give_notices(connection, batch.notices)
        if batch.written or batch.kept:
            kept = await append(connection, batch.written, batch.state_puts, batch.kept, now=now)
            if not kept:
                raise _Overtaken
        if batch.choices.taken:
            await insert_choices(connection, batch.choices.taken)
        if batch.owed:
            await insert_duties(connection, batch.owed)


def _rows(submission: Submission) -> int:
    return max(1, len(submission.commands))


def _answer(waiting: _Waiting, outcome: Outcome) -> None:
    if waiting.answer.done():
        return
    if isinstance(outcome, Answer):
        waiting.answer.set_result(outcome)
    else:
        waiting.answer.set_exception(outcome)


def _refuse(waiting: _Waiting, error: Exception) -> None:
    """Nothing happens where the caller has an answer already."""
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
