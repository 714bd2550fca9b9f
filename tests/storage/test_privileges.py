"""Who may do what to which table: the least that each role needs (R22, CORE 19)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from consent_service.storage.preparation import ROLES
from tests.databases import TEMPLATE, TestDatabase
from tests.storage.privileges import COLUMNS, PRIVILEGES

GRANTED = """
    select table_name, grantee, string_agg(lower(privilege_type), ' ' order by privilege_type)
    from information_schema.role_table_grants
    where table_schema = 'public' and grantee <> 'consent_owner'
    group by table_name, grantee
"""
BY_COLUMN = """
    select grantee::regrole::text, attrelid::regclass::text, attname, privilege_type
    from pg_attribute, aclexplode(attacl)
    where attrelid >= 16384
"""
PREPARED = """
    select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin
    from pg_roles
    where rolname like 'consent\\_%'
"""
MEMBERS = "select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member where r.rolname like 'consent%'"
LETTERS = {"select": "s", "insert": "i", "update": "u", "delete": "d"}


@pytest.fixture
async def superuser(filled: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await filled.connect()
    yield connection
    await connection.close()


async def test_R22_every_role_has_the_least_that_it_needs(superuser: asyncpg.Connection) -> None:
    granted = {
        (table, role.removeprefix("consent_")): "".join(
            sorted((LETTERS.get(word, f"[{word}]") for word in words.split()), key="siud".find)
        )
        for table, role, words in await superuser.fetch(GRANTED)
    }
    tables = await superuser.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
    head, *_ = PRIVILEGES.strip("\n").splitlines()
    lines = [head]
    for (table,) in tables:
        cells = [granted.pop((table, role), "-") for role in head.split()]
        lines.append(f"{table:<19} {cells[0]:<8} {cells[1]:<6} {cells[2]:<8} {cells[3]:<7} {cells[4]}")

    assert "\n".join(["", *lines, ""]) == PRIVILEGES
    assert granted == {}


async def test_no_other_column_has_grants_of_its_own(superuser: asyncpg.Connection) -> None:
    granted = {tuple(row) for row in await superuser.fetch(BY_COLUMN)}

    assert granted == {(*column, "UPDATE") for column in COLUMNS}


async def test_R22_no_role_can_go_around_the_policies(superuser: asyncpg.Connection) -> None:
    """None is a superuser, bypasses row-level security, makes roles or databases, or belongs to another role."""
    roles = await superuser.fetch(PREPARED)

    assert len(roles) == 6
    assert {tuple(row)[1:] for row in roles} == {(False, False, False, False, False, True)}
    assert await superuser.fetchval(MEMBERS) == 0


@pytest.mark.parametrize("role", [role for role in ROLES if role != "consent_owner"])
async def test_only_the_owner_makes_tables(superuser: asyncpg.Connection, role: str) -> None:
    for privilege in ("create", "temporary"):
        assert not await superuser.fetchval(
            "select has_database_privilege($1, $2, $3)", role, TEMPLATE, privilege
        )
    assert await superuser.fetchval("select has_database_privilege($1, $2, 'connect')", role, TEMPLATE)
    assert not await superuser.fetchval("select has_schema_privilege($1, 'public', 'create')", role)


async def test_the_public_may_not_even_connect(superuser: asyncpg.Connection) -> None:
    """A copy of a database has not its grants, so this looks at the one that was prepared."""
    granted = await superuser.fetch(
        "select privilege_type from pg_database, aclexplode(datacl) where datname = $1 and grantee = 0",
        TEMPLATE,
    )

    assert granted == []
