"""What storage answers about a stranger's things, statement by statement: the same in both worlds.

For what no route shows: what the relay, the sweeper, the auditor and the command line ask, and what a reader of rows
passes over in silence. A probe is a function of storage, or where that hides what its statement gives, the statement.
Where it writes, it is rolled back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from consent_service.domain.catalogue import ControllerEntry, SiteEntry
from consent_service.domain.errors import InvalidValue
from consent_service.storage import (
    catalogue,
    epochs,
    history,
    lateness,
    ledger,
    outbox,
    propagation,
    recipients,
    reconciliation,
    records,
    relaying,
    states,
    subjects,
    sweeping,
    verification,
)
from tests.tenancy.world import BYSTANDER, OWNER, STRANGER

SHARDS = list(range(64))
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
LONG_AFTER = datetime(2030, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WALK_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WALK = (STRANGER, "newsletter", 2, WALK_BEGAN)
ROWS_MAX = 1000


class About(msgspec.Struct, frozen=True):
    """The stranger's person and record, whose ids others have too; and a record that only the owner's twin has."""

    subject: UUID
    record: UUID
    others_record: UUID
    others_sequence: int


Probe = Callable[[asyncpg.Connection, About], Awaitable[Any]]


async def rows(connection: asyncpg.Connection, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a statement gives, in no order."""
    return sorted((tuple(row) for row in await connection.fetch(statement, *values)), key=repr)


async def gathered(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


def own(found: list[Any]) -> list[Any]:
    """Of what is of all controllers."""
    return [one for one in found if one.controller == STRANGER]


async def a_site_of_anothers(connection: asyncpg.Connection, about: About) -> None:
    """Whether it is there is no secret: keys of sites are public. But it is not changed."""
    for other in (OWNER, BYSTANDER):
        with suppress(InvalidValue):
            async with connection.transaction():
                await catalogue.put_site(
                    connection, STRANGER, SiteEntry(f"{other}-site", ("https://taken.example",))
                )


async def read_ending(connection: asyncpg.Connection, about: About) -> list[Any]:
    return own(await sweeping.read_ending(connection, sweeping.BEGINNING, LONG_AFTER, ROWS_MAX))


async def notice_late(connection: asyncpg.Connection, about: About) -> list[Any]:
    page = own(await lateness.read_late(connection, LONG_AFTER, ROWS_MAX))
    return await lateness.notice_late(connection, page, LONG_AFTER)


async def told(connection: asyncpg.Connection, about: About) -> Any:
    """What the relay tells of the stranger's rows, prefix by prefix."""
    mine = "select position, kind, controller, subject_id, purpose, sequence, shard, traceparent from outbox "
    found = await connection.fetch(mine + "where controller = $1 order by position", STRANGER)
    pointers = [outbox.Pointer(0, outbox.Kind(row[1]), *row[2:8]) for row in found]
    located = await outbox.EventReader().read(connection, pointers)
    return [located.get(pointer) for pointer in pointers]


async def versions_told(connection: asyncpg.Connection, about: About) -> bool:
    """The stranger's are published, others' still wait."""
    await connection.execute("delete from outbox where kind = 'purpose' and controller = $1", STRANGER)
    return await relaying.versions_were_told_before(connection, STRANGER)


async def stray_details(connection: asyncpg.Connection, about: About) -> Any:
    """Details without a record, which another controller has."""
    stray = "insert into record_details (controller, subject_id, record_id, sealed) values ($1, $2, $3, '')"
    await connection.execute(stray, STRANGER, about.subject, about.others_record)
    return await verification.count_stray_details(connection, STRANGER, FIRST, LAST)


async def begin_sweep(connection: asyncpg.Connection, about: About) -> Any:
    return await sweeping.begin_sweep(connection, STRANGER, "newsletter", 2, LONG_AFTER)


def of(slug: str, *columns: Any) -> list[list[Any]]:
    """Parameters of a statement that takes arrays, with one row of this controller's."""
    return [[slug], *([column] for column in columns)]


PROBES: list[tuple[str, Probe]] = [
    ("catalogue", lambda c, a: rows(c, catalogue._REVISION, STRANGER)),
    ("catalogue", lambda c, a: catalogue.read_purposes(c, STRANGER)),
    ("catalogue", lambda c, a: rows(c, catalogue._CONTROLLER, STRANGER)),
    ("catalogue", lambda c, a: rows(c, catalogue._TOPIC_PREFIX, STRANGER)),
    ("catalogue", lambda c, a: catalogue.read_sites(c, STRANGER)),
    ("catalogue", lambda c, a: catalogue.read_draft(c, STRANGER, "theirs")),
    ("catalogue", lambda c, a: catalogue.lock_controller(c, "nobody")),
    ("catalogue", lambda c, a: catalogue.raise_revision(c, STRANGER)),
    (
        "catalogue",
        lambda c, a: catalogue.change_controller(c, ControllerEntry(slug=STRANGER, legal_name="Anew")),
    ),
    ("catalogue", lambda c, a: catalogue.delete_draft(c, STRANGER, "newsletter")),
    ("catalogue", a_site_of_anothers),
    (
        "epochs",
        lambda c, a: rows(
            c, epochs._UNKNOWN_RECORDS, *of(STRANGER, a.subject, a.others_sequence, a.others_record)
        ),
    ),
    ("epochs", lambda c, a: epochs.unknown_pairs(c, [(STRANGER, a.subject, "theirs")])),
    ("history", lambda c, a: history.read_history(c, controllers=[STRANGER], rows_max=ROWS_MAX)),
    ("history", lambda c, a: history.read_standing(c, controllers=[STRANGER], rows_max=ROWS_MAX)),
    ("history", lambda c, a: history.read_latest_versions(c, [STRANGER])),
    ("lateness", notice_late),
    ("lateness", lambda c, a: lateness.read_oldest(c, [(STRANGER, "matomo")])),
    ("ledger", lambda c, a: ledger.read_revisions(c, [STRANGER])),
    ("notices", told),
    ("outbox", told),
    ("outbox", lambda c, a: rows(c, outbox._CHANGES, *of(STRANGER, a.subject, 1))),
    ("outbox", lambda c, a: rows(c, outbox._BASES, *of(STRANGER, "newsletter", 1))),
    ("propagation", lambda c, a: propagation.read_reached(c, [(STRANGER, a.others_record)])),
    ("propagation", lambda c, a: propagation.read_propagation(c, STRANGER, a.subject, 1)),
    ("recipients", lambda c, a: recipients.read_standings(c, STRANGER, ["matomo"], LONG_AFTER)),
    (
        "recipients",
        lambda c, a: rows(c, recipients._PENDING, STRANGER, "matomo", LONG_AGO, FIRST, 0, None, ROWS_MAX),
    ),
    ("reconciliation", lambda c, a: reconciliation.count_persons_with_records(c, [STRANGER])),
    (
        "reconciliation",
        lambda c, a: reconciliation.read_heads(c, STRANGER, after=FIRST, shards=SHARDS, rows_max=ROWS_MAX),
    ),
    (
        "reconciliation",
        lambda c, a: reconciliation.read_recorded_after(
            c, [reconciliation.Span(STRANGER, a.subject, 1, 99, LONG_AGO)]
        ),
    ),
    ("records", lambda c, a: records.read_facts(c, STRANGER, [a.subject])),
    ("records", lambda c, a: rows(c, records._HISTORY, STRANGER, a.subject, 0, None, None, ROWS_MAX)),
    ("records", lambda c, a: rows(c, records._BY_ID, STRANGER, [a.record])),
    ("relaying", lambda c, a: relaying.was_told_before(c, STRANGER, SHARDS)),
    ("relaying", lambda c, a: relaying.versions_were_told_before(c, STRANGER)),
    ("relaying", versions_told),
    ("states", lambda c, a: rows(c, states._READ_PAIRS, *of(STRANGER, a.subject, "newsletter"))),
    ("states", lambda c, a: rows(c, states._ASK, *of(STRANGER, a.subject, "newsletter"))),
    ("states", lambda c, a: rows(c, states._READ_SUBJECT, STRANGER, a.subject)),
    ("states", lambda c, a: rows(c, states._PAGE, STRANGER, FIRST, "", None, ROWS_MAX)),
    ("subjects", lambda c, a: rows(c, subjects._LOCK, *of(STRANGER, a.subject))),
    ("subjects", lambda c, a: rows(c, subjects._READ, STRANGER, a.subject)),
    ("subjects", lambda c, a: rows(c, subjects._READ_IDENTIFIERS, STRANGER, a.subject, None, ROWS_MAX)),
    ("sweeping", read_ending),
    ("sweeping", begin_sweep),
    ("sweeping", lambda c, a: sweeping.walk(c, STRANGER, "newsletter", FIRST, 2, ROWS_MAX)),
    ("sweeping", lambda c, a: sweeping.count_overtaken(c, STRANGER, "newsletter", FIRST, 2)),
    ("sweeping", lambda c, a: sweeping.advance_sweep(c, WALK, LAST, 1, 1)),
    ("sweeping", lambda c, a: sweeping.walk_again(c, WALK, LONG_AFTER)),
    ("sweeping", lambda c, a: sweeping.finish_sweep(c, WALK, LONG_AFTER)),
    ("verification", lambda c, a: verification.count_persons(c, STRANGER)),
    ("verification", lambda c, a: verification.read_persons(c, STRANGER, FIRST, ROWS_MAX)),
    ("verification", lambda c, a: gathered(verification.stream_records(c, STRANGER, FIRST, LAST))),
    ("verification", lambda c, a: rows(c, verification._STATES, STRANGER, FIRST, LAST)),
    ("verification", stray_details),
    ("verification", lambda c, a: verification.read_removals(c, STRANGER, FIRST, LAST)),
]
