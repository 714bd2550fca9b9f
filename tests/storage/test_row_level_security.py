"""Nobody sees another controller's rows: row-level security on every table that has a controller (R22, CORE 19)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import pytest

from consent_service.domain.errors import InvalidValue
from consent_service.storage.database import open_database
from tests.databases import TestDatabase
from tests.storage.privileges import COLUMNS, pairs

#: Tables that belong to no controller. A table that is new belongs here only if it holds nothing of anybody's.
NOBODYS = {
    *(
        "filled_topics",
        "key_holders",
        "ledger_epoch",
        "ledger_identity",
        "relay_leases",
        "relay_members",
        "schema_migrations",
        "sweeper_lease",
    )
}

LISTED = "(controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text)))"
#: Policy, command, roles, what is seen, what may be written (none: what is seen).
POLICIES: set[tuple[str, str, str, str, str | None]] = {
    ("every_controller", "*", "consent_auditor,consent_owner,consent_relay", "true", None),
    ("own_controllers", "*", "consent_service,consent_sweeper", LISTED, None),
}
#: Of the tables that a rotation of keys reads or writes.
KEEPERS: set[tuple[str, str, str, str, str | None]] = {
    ("keepers_controllers", "*", "consent_keeper", LISTED, None)
}

UNGUARDED = """
    select c.relname
    from pg_class c
    where c.relnamespace = 'public'::regnamespace
      and c.relkind in ('r', 'p')
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'controller')
      and not (c.relrowsecurity and c.relforcerowsecurity)
"""
POLICIES_OF = """
    select p.polname,
           p.polcmd::text,
           (select string_agg(r.rolname, ',' order by r.rolname) from pg_roles r where r.oid = any(p.polroles)),
           pg_get_expr(p.polqual, p.polrelid),
           pg_get_expr(p.polwithcheck, p.polrelid)
    from pg_policy p
    where p.polrelid = $1::regclass and p.polpermissive
"""
TABLES = (
    *(
        "acknowledgements",
        "api_keys",
        "audit",
        "choices",
        "controllers",
        "duties",
        "idempotency",
        "identifier_hashes",
        "identifiers",
        "notices",
        "outbox",
    ),
    *(
        "purpose_drafts",
        "purpose_versions",
        "purposes",
        "record_details",
        "records",
        "screens",
        "sites",
        "states",
    ),
    *("stream_notices", "subject_keys", "subjects", "suppressions", "sweeps"),
)
every_table = pytest.mark.parametrize("table", TABLES)


def whoever(letter: str) -> pytest.MarkDecorator:
    """The roles that are bound to a list, each with every table to which it has that privilege."""
    found = pairs(letter, "consent_service", "consent_sweeper", "consent_keeper")
    return pytest.mark.parametrize(("role", "table"), [pair for pair in found if pair[1] not in NOBODYS])


@pytest.fixture
async def superuser(filled: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await filled.connect()
    yield connection
    await connection.close()


@asynccontextmanager
async def as_role(
    database: TestDatabase, role: str, controllers: str | None = None
) -> AsyncIterator[asyncpg.Connection]:
    """In a transaction that is rolled back."""
    connection = await database.connect(role)
    try:
        if controllers is not None:
            await connection.execute(f"set consent.controllers = '{controllers}'")
        await connection.execute("begin")
        yield connection
    finally:
        await connection.close()


#: Acts as a role, with the controllers that it lists.
Acting = Callable[[str, str | None], AbstractAsyncContextManager[asyncpg.Connection]]

#: What a transaction lists, and whose rows it sees.
LISTS: dict[str, tuple[str | None, list[str]]] = {
    "no list": (None, []),
    "empty": ("", []),
    "one": ("ansettr", ["ansettr"]),
    "both": ("coness,ansettr", ["ansettr", "coness"]),
    "a part": ("ansett", []),
    "a blank": ("ansettr ", []),
    "a pattern": ("%", []),
}


async def check_seen(acting: Acting, role: str, table: str, listed: str | None, seen: list[str]) -> None:
    async with acting(role, listed) as connection:
        rows = await connection.fetch(f"select distinct controller from {table} order by controller")

    assert [row[0] for row in rows] == seen


async def check_not_written(acting: Acting, role: str, table: str, theirs: Any) -> None:
    """`theirs` is a row of coness'."""
    async with acting(role, "ansettr") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="violates row-level security policy"):
            await connection.execute(
                f"insert into {table} overriding system value select (jsonb_populate_record(null::{table}, $1)).*",
                theirs,
            )


async def check_not_given_away(acting: Acting, role: str, table: str) -> None:
    async with acting(role, "ansettr") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="violates row-level security policy"):
            await connection.execute(f"update {table} set controller = 'coness'")


async def check_not_changed(acting: Acting, role: str, table: str, column: str = "controller") -> None:
    """An update of all rows, by a column that the role may update, changes the own ones."""
    async with acting(role, "ansettr") as connection:
        changed = await connection.fetch(f"update {table} set {column} = {column} returning controller")

    assert {row[0] for row in changed} == {"ansettr"}


async def check_not_deleted(acting: Acting, role: str, table: str) -> None:
    async with acting(role, "ansettr") as connection:
        deleted = await connection.fetch(f"delete from {table} returning controller")

    assert {row[0] for row in deleted} == {"ansettr"}


async def a_row_of_coness(superuser: asyncpg.Connection, table: str) -> Any:
    return await superuser.fetchval(
        f"select to_jsonb({table}) from {table} where controller = 'coness' limit 1"
    )


async def test_every_table_is_a_controllers_or_known_to_be_nobodys(superuser: asyncpg.Connection) -> None:
    tables = await superuser.fetch("select tablename from pg_tables where schemaname = 'public'")

    assert {row[0] for row in tables} == {*TABLES, *NOBODYS}


async def test_R22_no_table_with_a_controller_is_unguarded(superuser: asyncpg.Connection) -> None:
    assert await superuser.fetch(UNGUARDED) == []


async def test_a_new_table_that_is_forgotten_would_be_told(database: TestDatabase) -> None:
    connection = await database.connect("consent_owner")
    await connection.execute(
        "create table forgotten (controller text); create table half (controller text); "
        "alter table half enable row level security"
    )
    told = await connection.fetch(UNGUARDED)
    await connection.close()

    assert sorted(row[0] for row in told) == ["forgotten", "half"]


def is_keepers(table: str) -> bool:
    """Whether a rotation of keys has anything to do with the table."""
    return any(("consent_keeper", table) in pairs(letter, "consent_keeper") for letter in "siud")


def policies_of(table: str) -> set[tuple[str, str, str, str, str | None]]:
    return POLICIES | KEEPERS if is_keepers(table) else POLICIES


@every_table
async def test_R22_every_table_has_the_same_policies(superuser: asyncpg.Connection, table: str) -> None:
    assert {tuple(row) for row in await superuser.fetch(POLICIES_OF, table)} == policies_of(table)


@every_table
async def test_both_controllers_have_rows_in_every_table(superuser: asyncpg.Connection, table: str) -> None:
    rows = await superuser.fetch(f"select distinct controller from {table} order by controller")

    assert [row[0] for row in rows] == ["ansettr", "coness"]


@whoever("s")
@pytest.mark.parametrize(("listed", "seen"), LISTS.values(), ids=LISTS)
async def test_R22_a_transaction_sees_the_controllers_it_names(
    filled: TestDatabase, table: str, role: str, listed: str | None, seen: list[str]
) -> None:
    await check_seen(partial(as_role, filled), role, table, listed, seen)


@whoever("i")
async def test_R22_nobody_writes_a_row_of_another_controller(
    filled: TestDatabase, superuser: asyncpg.Connection, table: str, role: str
) -> None:
    theirs = await a_row_of_coness(superuser, table)
    await check_not_written(partial(as_role, filled), role, table, theirs)


@whoever("u")
async def test_R22_nobody_gives_a_row_away(filled: TestDatabase, table: str, role: str) -> None:
    await check_not_given_away(partial(as_role, filled), role, table)


@whoever("u")
async def test_R22_nobody_changes_a_row_of_another_controller(
    filled: TestDatabase, table: str, role: str
) -> None:
    await check_not_changed(partial(as_role, filled), role, table)


@pytest.mark.parametrize(("role", "table", "column"), sorted(COLUMNS))
async def test_R22_nobody_changes_a_column_of_another_controllers_row(
    filled: TestDatabase, table: str, role: str, column: str
) -> None:
    await check_not_changed(partial(as_role, filled), role, table, column)


@whoever("d")
async def test_R22_nobody_deletes_a_row_of_another_controller(
    filled: TestDatabase, table: str, role: str
) -> None:
    await check_not_deleted(partial(as_role, filled), role, table)


@pytest.mark.parametrize("role", ["consent_relay", "consent_auditor", "consent_owner"])
async def test_R22_relay_auditor_and_owner_see_all(filled: TestDatabase, role: str) -> None:
    async with as_role(filled, role) as connection:
        seen = await connection.fetch("select distinct controller from records")

    assert len(seen) == 2


async def test_the_list_ends_with_its_transaction(filled: TestDatabase) -> None:
    """The pool's next user starts with nothing."""
    async with open_database(
        filled.url(), connections_max=1, statement_timeout_s=5, lock_timeout_s=5, name="tests"
    ) as opened:
        async with opened.transaction(["ansettr"]) as connection:
            assert await connection.fetchval("select count(*) from records") == 1
        async with opened.session() as connection:
            assert await connection.fetchval("select count(*) from records") == 0
        with pytest.raises(RuntimeError):
            async with opened.transaction(["coness"]):
                raise RuntimeError
        async with opened.transaction([]) as connection:
            assert await connection.fetchval("select count(*) from records") == 0


@pytest.mark.parametrize("listed", ["ansettr,coness", "a'; reset all; --", "", "Ansettr", "ansettr\n"])
async def test_only_a_slug_gets_into_the_list(filled: TestDatabase, listed: str) -> None:
    async with open_database(
        filled.url(), connections_max=1, statement_timeout_s=5, lock_timeout_s=5, name="tests"
    ) as opened:
        with pytest.raises(InvalidValue):
            async with opened.transaction([listed]):
                raise AssertionError("the transaction began")
