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
