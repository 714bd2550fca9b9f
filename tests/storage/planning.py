"""Tables of some size, and by which indexes a statement is planned to read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.databases import TestDatabase
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
    "insert into choices (controller, subject_id, choice_id, fingerprint, recorded_at) "
    "select controller, subject_id, 'choice-' || c, sha256('said'), now() from who, generate_series(1, 3) c",
    "insert into duties (controller, subject_id, sequence, recipient, purpose, record_id, allowed, owed_since, due_at, "
    "settled_at, settled_by, outcome, acknowledged_at) select controller, subject_id, sequence, r, purpose, record_id, "
    "true, at, at + interval '1 hour', done, case when done is not null then record_id end, "
    "case when done is not null then 'started' end, done from (select *, timestamptz '2026-01-01' + random() * "
    "interval '9 days' as at, case when sequence < 3 then now() end as done from records) r1, "
    "unnest(array['brevo', 'crm']) r",
    "insert into acknowledgements (controller, subject_id, sequence, recipient, outcome, purpose, record_id, at, "
    "received_at) select controller, subject_id, sequence, recipient, outcome, purpose, record_id, now(), now() "
    "from duties where outcome is not null",
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
OF_PERSONS = (
    *("subjects_pkey", "subject_keys_pkey", "records_pkey", "record_details_pkey", "states_pkey"),
    "choices_pkey",
)
#: A handful of rows each, read however it comes.
SMALL_TABLES = ("controllers", "ledger_epoch")
SMALL = {f"{table} by {how}" for table in SMALL_TABLES for how in ("Seq Scan", f"{table}_pkey")}
HASHES = "select array_agg(hash) from (select hash from identifier_hashes limit $1) h"


async def grow(database: TestDatabase) -> None:
    """Fill an empty one."""
    connection = await database.connect()
    for statement in FILL:
        await connection.execute(statement)
    await connection.close()


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
        # As storage/database.py does for every connection.
        await connection.execute("set random_page_cost = 1.1")
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
