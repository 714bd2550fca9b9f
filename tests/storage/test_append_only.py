"""What was recorded stays: refused by grants to every role, and by triggers to those who own the tables (R21, R22)."""

from __future__ import annotations

import asyncpg
import pytest

from tests.databases import TestDatabase

APPEND_ONLY = {
    "records": "source = 'another'",
    "purpose_versions": "content = '{}'",
    "notices": "content = '{}'",
    "audit": "actor = 'another'",
}
CHANGES = ("update {table} set {change}", "delete from {table}", "truncate {table} cascade")
WITHOUT_GRANTS = ("consent_service", "consent_sweeper", "consent_relay", "consent_auditor")
WITHOUT_LIMITS = ("consent_owner", "postgres")

every_table = pytest.mark.parametrize("table", APPEND_ONLY)
every_change = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.split()[0])


async def attempt(database: TestDatabase, role: str, change: str, table: str) -> None:
    connection = await database.connect(role)
    try:
        await connection.execute("set consent.controllers = 'ansettr,coness'")
        await connection.execute(change.format(table=table, change=APPEND_ONLY[table]))
    finally:
        await connection.close()


@every_table
@every_change
@pytest.mark.parametrize("role", WITHOUT_GRANTS)
async def test_R21_no_role_of_the_service_may_change_what_was_recorded(
    filled: TestDatabase, role: str, change: str, table: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"permission denied for table {table}"):
        await attempt(filled, role, change, table)


@every_table
@every_change
@pytest.mark.parametrize("role", WITHOUT_LIMITS)
async def test_R21_even_the_tables_owner_is_stopped(
    filled: TestDatabase, role: str, change: str, table: str
) -> None:
    """Whoever takes the trigger away first is found by `ledger verify`."""
    with pytest.raises(asyncpg.RestrictViolationError, match="are never changed or removed") as refused:
        await attempt(filled, role, change, table)

    assert (refused.value.constraint_name or "").endswith("_append_only")


@every_table
async def test_there_was_something_to_change(filled: TestDatabase, table: str) -> None:
    connection = await filled.connect()
    assert await connection.fetchval(f"select count(*) from {table}") >= 2
    await connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "insert into api_keys select controller, 'abcdefghijk1', hash, name, scopes, purposes, recipient, created_at, "
        "created_by, expires_at from api_keys",
        "update api_keys set revoked_at = null",
        "update api_keys set scopes = '{identifiers:read}'",
        "update api_keys set expires_at = 'infinity'",
        "update api_keys set hash = sha256('mine')",
        "delete from api_keys",
        "truncate api_keys",
    ],
)
@pytest.mark.parametrize("role", WITHOUT_GRANTS)
async def test_no_role_of_the_service_makes_api_keys_or_changes_them(
    filled: TestDatabase, role: str, change: str
) -> None:
    connection = await filled.connect(role)
    await connection.execute("set consent.controllers = 'ansettr,coness'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for table api_keys"):
        await connection.execute(change)
    await connection.close()


async def test_a_service_writes_when_an_api_key_was_used(filled: TestDatabase) -> None:
    connection = await filled.connect("consent_service")
    await connection.execute("begin; set local consent.controllers = 'ansettr'")
    used = await connection.fetch("update api_keys set last_used_at = now() returning controller")
    await connection.execute("rollback")
    await connection.close()

    assert [row[0] for row in used] == ["ansettr"]
