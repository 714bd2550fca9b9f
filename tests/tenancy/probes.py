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

from consent_service.domain.audit import AuditAction
from consent_service.domain.catalogue import ControllerEntry, SiteEntry
from consent_service.domain.errors import InvalidValue
from consent_service.storage import (
    api_keys,
    audit,
    catalogue,
    choices,
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
    rotation,
    sites,
    states,
    subjects,
    sweeping,
    verification,
)
from consent_service.storage.rotation import BEGINNING, Place, Resealed
from tests.tenancy.world import BYSTANDER, OTHERS_ENTRY, OWNER, STRANGER, key_name

SHARDS = list(range(64))
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
LONG_AFTER = datetime(2030, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WALK_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WALK = (STRANGER, "newsletter", 2, WALK_BEGAN)
KEY = key_name(STRANGER)
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


async def choices_taken(connection: asyncpg.Connection, about: About) -> Any:
    mine = "select controller, subject_id, choice_id, choice_id from choices where controller = $1"
    taken = await rows(connection, mine, STRANGER)
    return await rows(connection, choices._READ, *map(list, zip(*taken, strict=True)))


async def screens_shown(connection: asyncpg.Connection, about: About) -> Any:
    mine = "select controller, site_key, screen_hash from screens where controller = $1"
    return [await rows(connection, sites._SCREEN, *one) for one in await rows(connection, mine, STRANGER)]


async def own_sites(connection: asyncpg.Connection, about: About) -> Any:
    directory = await sites.read_directory(connection)
    return {key: row for key, row in directory.items() if row.controller == STRANGER}


async def identifiers_to_rotate(connection: asyncpg.Connection, about: About) -> Any:
    return await rotation.read_identifiers_to_rotate(
        connection, STRANGER, BEGINNING, ROWS_MAX, "another", "l1"
    )


async def found_at_others_alone(connection: asyncpg.Connection, about: About) -> Any:
    await connection.execute("delete from identifier_hashes where controller = $1", STRANGER)
    return await identifiers_to_rotate(connection, about)


async def reseal_keys(connection: asyncpg.Connection, about: About) -> int:
    """What is sealed is the same as at others."""
    same = r"update subject_keys set sealed_key = '\x00' where controller = $1"
    await connection.execute(same, STRANGER)
    return await rotation.reseal_subject_keys(
        connection, STRANGER, "s2", [Resealed(Place(about.subject), b"\x00", b"\x01")]
    )


async def reseal_identifiers(connection: asyncpg.Connection, about: About) -> set[UUID]:
    mine = "select subject_id, identifier_id, sealed_value from identifiers where controller = $1"
    *place, sealed = (await rows(connection, mine, STRANGER))[0]
    return await rotation.reseal_identifiers(
        connection, STRANGER, "s2", [Resealed(Place(*place), sealed, b"\x01")]
    )


async def delete_hashes(connection: asyncpg.Connection, key_id: str, lookup_id: str) -> int:
    """Of all that the stranger has."""
    mine = "select identifier_id from identifiers where controller = $1"
    ids = [row[0] for row in await rows(connection, mine, STRANGER)]
    return await rotation.delete_hashes(connection, STRANGER, ids, key_id, lookup_id)


async def delete_earlier_hashes(connection: asyncpg.Connection, about: About) -> int:
    """Everything is found by another key, too."""
    await connection.execute(
        "insert into identifier_hashes (hash, controller, subject_id, identifier_id, key_id) "
        "select sha256(hash), controller, subject_id, identifier_id, 'l2' from identifier_hashes where controller = $1",
        STRANGER,
    )
    return await delete_hashes(connection, "l1", "l2")


async def delete_needed_hashes(connection: asyncpg.Connection, about: About) -> int:
    """Only what others have is found by another key, too."""
    await connection.execute("update identifier_hashes set key_id = 'l0' where controller = $1", STRANGER)
    return await delete_hashes(connection, "l0", "l1")


def of(slug: str, *columns: Any) -> list[list[Any]]:
    """Parameters of a statement that takes arrays, with one row of this controller's."""
    return [[slug], *([column] for column in columns)]


PROBES: list[tuple[str, Probe]] = [
    ("api_keys", lambda c, a: rows(c, api_keys._FIND, STRANGER, KEY.key_id)),
    ("api_keys", lambda c, a: api_keys.keep_uses(c, {KEY: LONG_AFTER})),
    ("api_keys", lambda c, a: api_keys.list_api_keys(c, STRANGER)),
    ("api_keys", lambda c, a: api_keys.revoke_api_key(c, KEY, LONG_AFTER)),
    (
        "audit",
        lambda c, a: audit.read_details(
            c,
            STRANGER,
            OTHERS_ENTRY,
            actor="test",
            action=AuditAction.STATES_EXPORTED,
            since=LONG_AGO,
        ),
    ),
    ("audit", lambda c, a: rows(c, audit._PAGE, STRANGER, FIRST, LONG_AGO, None, ROWS_MAX)),
    (
        "audit",
        lambda c, a: rows(c, audit._PAGE_OF_SUBJECT, STRANGER, FIRST, LONG_AGO, None, ROWS_MAX, a.subject),
    ),
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
    ("choices", choices_taken),
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
    ("rotation", lambda c, a: rotation.read_subject_keys(c, STRANGER, BEGINNING, ROWS_MAX, "another")),
    ("rotation", lambda c, a: rotation.read_identifier_places(c, STRANGER, BEGINNING, ROWS_MAX)),
    ("rotation", identifiers_to_rotate),
    ("rotation", found_at_others_alone),
    ("rotation", reseal_keys),
    ("rotation", reseal_identifiers),
    ("rotation", delete_earlier_hashes),
    ("rotation", delete_needed_hashes),
    ("sites", screens_shown),
    ("sites", own_sites),
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
