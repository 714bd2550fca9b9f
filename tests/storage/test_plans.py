"""The hot statements find their rows by index, as the role that runs them, once tables have grown (ARCHITECTURE, Scale).

On tables of some ten thousand rows, analysed, with nothing of the planner switched off. Row-level security is in
force: a condition that may not be looked at before the policy would quietly become a scan of everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from consent_service.embedded import PostgresServer
from tests.databases import TestDatabase, copy_template, drop
from tests.storage.statements import sql

PERSONS = 20_000
FILL = (
    "insert into controllers (controller, legal_name, content) values ('ansettr', 'A', '{}'), ('coness', 'C', '{}')",
    f"create temporary table who as select case when n % 2 = 0 then 'ansettr' else 'coness' end as controller, "
    f"md5(n::text)::uuid as subject_id, n from generate_series(1, {PERSONS}) n",
    "insert into subjects (controller, subject_id, shard, created_at, last_sequence, last_hash, last_recorded_at) "
    "select controller, subject_id, n % 64, now(), 3, sha256('x'), now() from who",
    "insert into subject_keys select controller, subject_id, 'k', sha256('k') from who",
    "insert into identifier_hashes select sha256(n::text::bytea), controller, subject_id, subject_id, 'k' from who",
    "insert into identifiers select controller, subject_id, subject_id, 'email', 'k', 'v', now() from who",
    "insert into records (record_id, controller, subject_id, sequence, purpose, command, status, version, "
    "recorded_at, effective_at, superseded, channel, previous_hash, record_hash) "
    "select md5(n::text || p)::uuid, controller, subject_id, row_number() over (partition by subject_id), "
    "'purpose-' || p, 'grant', 'given', 1, now(), now(), false, 'api', sha256('x'), sha256('y') "
    "from who, generate_series(1, 3) p",
    "insert into record_details select controller, subject_id, record_id, 'sealed' from records",
    "insert into states (controller, subject_id, purpose, status, command, version, sequence, effective_at) "
    "select controller, subject_id, purpose, status, command, 1, sequence, now() from records",
    "update states set until = case purpose when 'purpose-1' then timestamptz '2026-01-01' + sequence * interval '1 s' "
    "when 'purpose-2' then timestamptz '2026-01-01' + random() * interval '900 days' end",
    "insert into stream_notices (controller, subject_id, notice_id, kind, purpose, noticed_at) "
    "select controller, subject_id, subject_id, 'renewal_due', 'purpose-1', now() from who",
    "insert into outbox (kind, controller, subject_id, sequence, shard) "
    "select 'record', controller, subject_id, 1, n % 64 from who",
    "insert into idempotency select sha256(n::text::bytea), controller, 'f', 201, 'a', now() + interval '1 day' "
    "from who",
    "insert into audit (audit_id, controller, at, actor, action, subject_id) "
    "select md5(n::text)::uuid, controller, now(), 'a', 'identifier.linked', subject_id from who",
    "analyze",
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)
PEOPLE = "select array_agg(controller), array_agg(subject_id) from (select * from subjects limit $1) s"
OF_PERSONS = ("subjects_pkey", "subject_keys_pkey", "records_pkey", "record_details_pkey", "states_pkey")
#: A handful of rows each, read however it comes.
SMALL_TABLES = ("controllers", "ledger_epoch")
SMALL = {f"{table} by {how}" for table in SMALL_TABLES for how in ("Seq Scan", f"{table}_pkey")}
HASHES = "select array_agg(hash) from (select hash from identifier_hashes limit $1) h"


@pytest.fixture(scope="module")
async def grown(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    database = await copy_template(postgres)
    connection = await database.connect()
    for statement in FILL:
        await connection.execute(statement)
    await connection.close()
    yield database
    await drop(postgres, database)


def scans(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(table, how it is read) for each scan of a plan: the index's name, or the kind of scan.

    An index that begins with the controller is of no use for one person unless the person is among its conditions.
    """
    if "Index Name" in plan:
        whole = "subject_id" in plan.get("Index Cond", "") or plan["Index Name"] not in OF_PERSONS
        yield plan.get("Relation Name", ""), plan["Index Name"] + ("" if whole else " by controller")
    elif "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        yield plan["Relation Name"], plan["Node Type"]
    for below in plan.get("Plans", ()):
        yield from scans(below)


async def planned(
    database: TestDatabase, role: str, module: str, name: str, *arguments: Any, generic: bool
) -> set[str]:
    """The names of the indexes by which tables are read, `Seq Scan` where one is read whole."""
    connection = await database.connect(role)
    try:
        await connection.execute("set consent.controllers = 'ansettr,coness'")
        await connection.execute(f"set plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        explained = await connection.fetchval(f"explain (format json) {sql(module, name)}", *arguments)
    finally:
        await connection.close()
    plan = json.loads(explained)[0]["Plan"]
    return {f"{table} by {how}" if table in SMALL_TABLES else how for table, how in scans(plan)} - {
        "Bitmap Heap Scan"
    }


async def people(database: TestDatabase, number: int) -> tuple[list[str], list[UUID]]:
    connection = await database.connect()
    (row,) = await connection.fetch(PEOPLE, number)
    await connection.close()
    return row[0], row[1]


async def hashes(database: TestDatabase, number: int) -> list[bytes]:
    connection = await database.connect()
    found: list[bytes] = await connection.fetchval(HASHES, number)
    await connection.close()
    return found


#: `generic` is the plan that a prepared statement ends up with, made without looking at the values.
either_plan = pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
one_or_a_batch = pytest.mark.parametrize("number", [1, 64], ids=["one", "a batch"])


@either_plan
@one_or_a_batch
async def test_locking_persons(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    how = await planned(
        grown, "consent_service", "subjects", "_LOCK", controllers, subject_ids, generic=generic
    )

    assert how == {"subjects_pkey", "subject_keys_pkey"}


async def test_moving_the_heads_of_chains(grown: TestDatabase) -> None:
    """What appends records reads but one table that was there before, and that by its key."""
    parameters = len(set(re.findall(r"\$\d+", sql("ledger", "_APPEND"))))
    how = await planned(grown, "consent_service", "ledger", "_APPEND", *[None] * parameters, generic=True)

    assert how == {"subjects_pkey"}


@either_plan
@one_or_a_batch
async def test_reading_states_under_the_lock(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    purposes = ["purpose-1"] * number
    how = await planned(
        grown, "consent_service", "states", "_READ_PAIRS", controllers, subject_ids, purposes, generic=generic
    )

    assert how - SMALL == {"states_pkey"}


@either_plan
@one_or_a_batch
async def test_asking_for_permissions(grown: TestDatabase, number: int, generic: bool) -> None:
    controllers, subject_ids = await people(grown, number)
    purposes = ["purpose-1"] * number
    how = await planned(
        grown, "consent_service", "states", "_ASK", controllers, subject_ids, purposes, generic=generic
    )

    assert how - SMALL == {"subjects_pkey", "states_pkey"}


@either_plan
@one_or_a_batch
async def test_finding_persons_by_identifier(grown: TestDatabase, number: int, generic: bool) -> None:
    wanted = await hashes(grown, number)

    assert await planned(grown, "consent_service", "subjects", "_FIND", wanted, generic=generic) == {
        "identifier_hashes_pkey"
    }


@either_plan
@one_or_a_batch
async def test_looking_up_idempotency_keys(grown: TestDatabase, number: int, generic: bool) -> None:
    wanted = await hashes(grown, number)

    assert await planned(grown, "consent_service", "idempotency", "_READ", wanted, NOW, generic=generic) == {
        "idempotency_pkey"
    }


@either_plan
async def test_a_page_of_history(grown: TestDatabase, generic: bool) -> None:
    (controller,), (subject_id,) = await people(grown, 1)
    how = await planned(
        *(grown, "consent_service", "records", "_HISTORY"),
        *(controller, subject_id, 0, None, None, 100),
        generic=generic,
    )

    assert how == {"records_pkey", "record_details_pkey", "subject_keys_pkey"}


@either_plan
async def test_a_page_of_a_snapshot(grown: TestDatabase, generic: bool) -> None:
    (controller,), (subject_id,) = await people(grown, 1)
    for purposes in (None, ["purpose-1"]):
        how = await planned(
            *(grown, "consent_service", "states", "_PAGE"),
            *(controller, subject_id, "purpose-1", purposes, 101),
            generic=generic,
        )

        assert how == {"states_pkey", "subjects_pkey"}


@either_plan
async def test_a_record_by_its_id(grown: TestDatabase, generic: bool) -> None:
    how = await planned(
        grown, "consent_service", "records", "_BY_ID", "ansettr", [UUID(int=1)], generic=generic
    )

    assert how == {"records_record_id", "record_details_pkey", "subject_keys_pkey"}


@either_plan
async def test_the_facts_that_a_late_one_is_folded_with(grown: TestDatabase, generic: bool) -> None:
    (controller,), (subject_id,) = await people(grown, 1)
    how = await planned(
        grown, "consent_service", "records", "_READ_FACTS", controller, [subject_id], None, generic=generic
    )

    assert how == {"records_pkey"}


@either_plan
async def test_the_outbox_is_read_in_order_and_deleted_by_key(grown: TestDatabase, generic: bool) -> None:
    read = await planned(grown, "consent_relay", "outbox", "_POINTERS", [3, 11], 500, [], generic=generic)
    deleted = await planned(grown, "consent_relay", "outbox", "_DELETE", [UUID(int=1)], [1], generic=generic)
    controllers, subject_ids = await people(grown, 64)
    joined = await planned(
        grown, "consent_relay", "outbox", "_CHANGES", controllers, subject_ids, [1] * 64, generic=generic
    )

    oldest = await planned(grown, "consent_relay", "relaying", "_OLDEST", 8, generic=generic)

    assert (read, deleted) == ({"outbox_shard_position"}, {"outbox_pkey"})
    assert oldest == {"outbox_shard_position"}
    assert joined - SMALL == {"records_pkey"}


@pytest.mark.parametrize("name", ["_RECORDS", "_STANDING"])
@either_plan
async def test_a_page_of_the_ledger_to_publish_again(grown: TestDatabase, name: str, generic: bool) -> None:
    """Also where one group of shards is asked for, of the middle of the ledger."""
    begin, end = UUID(int=1 << 127), UUID(int=2**128 - 1)
    how = await planned(
        *(grown, "consent_relay", "history", name),
        *("ansettr", begin, 0, end, list(range(0, 64, 8)), NOW, 500),
        generic=generic,
    )

    assert how == {"subjects_pkey", "records_pkey"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_RECORDS", {"records_pkey", "record_details_pkey"}),
        ("_STATES", {"states_pkey"}),
        ("_STRAYS", {"record_details_pkey", "records_pkey"}),
        ("_REMOVALS", {"audit_subject"}),
    ],
)
@either_plan
async def test_a_page_of_a_verification(
    grown: TestDatabase, name: str, expected: set[str], generic: bool
) -> None:
    connection = await grown.connect()
    last = await connection.fetchval(
        "select subject_id from subjects where controller = 'ansettr' order by subject_id offset 100 limit 1"
    )
    await connection.close()
    actions = [["details.removed"]] if name == "_REMOVALS" else []
    how = await planned(
        *(grown, "consent_auditor", "verification", name),
        *("ansettr", UUID(int=0), last, *actions),
        generic=generic,
    )

    assert how == expected


@either_plan
async def test_the_next_page_and_controller_of_a_verification(grown: TestDatabase, generic: bool) -> None:
    tables = {"subjects_pkey", "records_pkey", "states_pkey", "record_details_pkey"}
    persons = await planned(
        *(grown, "consent_auditor", "verification", "_PERSONS"),
        *("ansettr", UUID(int=0), 10),
        generic=generic,
    )
    controller = await planned(
        grown, "consent_auditor", "verification", "_NEXT_CONTROLLER", "ansettr", generic=generic
    )

    assert persons == tables | {"subject_keys_pkey"}
    assert controller == {f"{table} by controller" for table in tables}


@either_plan
async def test_what_has_ended_or_soon_will_is_found_by_its_end(grown: TestDatabase, generic: bool) -> None:
    """A third of all ends within the same seconds: a page behind the first of them is read by index all the same."""
    after = (NOW, UUID(int=0), "")
    ended = await planned(
        grown, "consent_sweeper", "sweeping", "_ENDED", *after, NOW + YEAR, 100, generic=generic
    )
    counted = await planned(
        grown, "consent_sweeper", "sweeping", "_COUNT_ENDED", NOW + DAY, 1000, generic=generic
    )
    ending = await planned(
        grown, "consent_sweeper", "sweeping", "_ENDING", *after, NOW + YEAR, 100, generic=generic
    )

    assert (ended, counted) == ({"states_until"}, {"states_until"})
    assert ending == {"states_until", "subjects_pkey"}


@either_plan
@pytest.mark.parametrize("name", ["_WALK", "_COUNT_OVERTAKEN"])
async def test_a_walk_over_the_subjects_of_a_purpose(grown: TestDatabase, name: str, generic: bool) -> None:
    _, (middle,) = await people(grown, 1)
    arguments = ("ansettr", "purpose-2", middle, 2, 500)
    how = await planned(grown, "consent_sweeper", "sweeping", name, *arguments, generic=generic)

    assert how == {"states_pkey"}


@either_plan
async def test_notices_are_read_by_their_number(grown: TestDatabase, generic: bool) -> None:
    controllers, subject_ids = await people(grown, 64)
    how = await planned(
        grown, "consent_relay", "notices", "_READ", controllers, subject_ids, [1] * 64, generic=generic
    )

    assert how - SMALL == {"stream_notices_number"}
