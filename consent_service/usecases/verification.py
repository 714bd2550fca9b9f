"""Walking the whole ledger, person after person, to find what somebody did to it behind the service's back (R21).

What a walk can and cannot find is told in `docs/LEDGER.md`. Memory is bounded by a page of persons and by the longest
history among them; every page is read as of one moment, so that the service may go on writing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from uuid import UUID

import msgspec

from consent_service.domain.errors import UnknownController
from consent_service.storage.catalogue import read_purposes, read_revision
from consent_service.storage.database import Connection, Database
from consent_service.storage.keyring import Keyring
from consent_service.storage.verification import (
    START,
    Removals,
    count_persons,
    count_stray_details,
    next_controller,
    read_found_states,
    read_persons,
    read_removals,
    snapshot,
    stream_records,
)
from consent_service.usecases.verification_person import Fault, PersonCheck, What

PERSONS_READ = 500


class Counts(msgspec.Struct):
    """How far a walk has come. `persons_total` is counted at the beginning; more may have come since."""

    persons_total: int = 0
    persons: int = 0
    records: int = 0
    details: int = 0
    """Details that opened and matched their record."""
    persons_at_fault: int = 0
    faults: Counter[What] = msgspec.field(default_factory=Counter)


class Verification:
    """Walks as a role that sees every controller's rows (consent_auditor); `report` is told each fault at once.

    `progress` is called after every person, with counts that go on changing.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        *,
        report: Callable[[Fault], None],
        progress: Callable[[Counts], None] = lambda counts: None,
        persons_read: int = PERSONS_READ,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._tell = report
        self._progress = progress
        self._persons_read = persons_read
        self._counts = Counts()

    async def run(self, controller: str | None = None) -> Counts:
        """Walk all chains, or one controller's. Raises UnknownController, Unavailable."""
        counts = self._counts = Counts()
        async with self._database.session() as connection:
            if controller is not None and await read_revision(connection, controller) is None:
                raise UnknownController(f"There is no controller {controller}.")
            counts.persons_total = await count_persons(connection, controller)
            walked = controller or await next_controller(connection, "")
            while walked is not None:
                after: UUID | None = START
                while after is not None:
                    after = await self._walk_page(connection, walked, after)
                walked = None if controller else await next_controller(connection, walked)
        return counts

    async def _walk_page(self, connection: Connection, controller: str, after: UUID) -> UUID | None:
        """The last person of the page, or None where nobody was left."""
        async with snapshot(connection):
            persons = await read_persons(connection, controller, after, self._persons_read)
            if not persons:
                return None
            last = persons[-1].subject_id
            stored = await read_purposes(connection, controller)
            purposes = stored.purposes if stored else {}
            removals = await read_removals(connection, controller, after, last)
            states = await read_found_states(connection, controller, after, last)
            strays = await count_stray_details(connection, controller, after, last)
            records = stream_records(connection, controller, after, last)
            record = await anext(records, None)
            for person in persons:
                subject_id = person.subject_id
                faults_before = self._counts.faults.total()
                removed = removals.get(subject_id, Removals())
                check = PersonCheck(person, purposes, self._keyring, removed, self._report)
                while record is not None and record.subject_id == subject_id:
                    check.take(record)
                    record = await anext(records, None)
                check.close(states.get(subject_id, ()), strays.get(subject_id, 0))
                self._count(check, faults_before)
        return last

    def _report(self, fault: Fault) -> None:
        self._counts.faults[fault.what] += 1
        self._tell(fault)

    def _count(self, check: PersonCheck, faults_before: int) -> None:
        counts = self._counts
        counts.persons += 1
        counts.records += check.records
        counts.details += check.details
        counts.persons_at_fault += counts.faults.total() > faults_before
        self._progress(counts)
