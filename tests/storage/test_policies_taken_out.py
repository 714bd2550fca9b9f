"""Every policy is needed: with any of them gone or loosened, the tests of row-level security go red (R22)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
import pytest

from tests.databases import TestDatabase
from tests.http.tables import rows
from tests.storage.privileges import pairs
from tests.storage.test_row_level_security import (
    LISTS,
    POLICIES,
    POLICIES_OF,
    UNGUARDED,
    Acting,
    a_row_of_coness,
    check_not_changed,
    check_not_deleted,
    check_not_given_away,
    check_not_written,
    check_seen,
    every_table,
)

BOUND = ("consent_service", "consent_sweeper")
#: What is done to a table | what must notice: what is declared (unguarded, policies), and what the bound roles can do
#: where they may at all.
TAKEN_OUT = """
alter policy own_controllers on {} using (true)                            | policies seen written given_away changed deleted
drop policy own_controllers on {}                                          | policies seen given_away changed deleted
create policy another on {} to consent_service, consent_sweeper using (true) | policies seen written given_away changed deleted
alter policy every_controller on {} to public                              | policies seen written given_away changed deleted
alter policy own_controllers on {} with check (true)                       | policies written given_away
alter policy own_controllers on {} to consent_relay                        | policies seen given_away changed deleted
alter table {} disable row level security                                  | unguarded seen written given_away changed deleted
alter table {} no force row level security                                 | unguarded
"""


def acting_within(connection: asyncpg.Connection) -> Acting:
    """As somebody else inside the superuser's transaction, where what was taken out is gone."""

    @asynccontextmanager
    async def acting(role: str, listed: str | None) -> AsyncIterator[asyncpg.Connection]:
        savepoint = connection.transaction()
        await savepoint.start()
        try:
            await connection.execute(f"set local role {role}")
            await connection.execute(f"set local consent.controllers = '{listed or ''}'")
            yield connection
        finally:
            await savepoint.rollback()

    return acting


async def red(superuser: asyncpg.Connection, table: str) -> set[str]:
    """Which checks of this table fail now."""
    found = set()
    if await superuser.fetch(UNGUARDED):
        found.add("unguarded")
    if {tuple(row) for row in await superuser.fetch(POLICIES_OF, table)} != POLICIES:
        found.add("policies")
    acting, theirs = acting_within(superuser), await a_row_of_coness(superuser, table)
    checks: list[tuple[str, str, Callable[[str], Awaitable[None]]]] = [
        ("written", "i", lambda role: check_not_written(acting, role, table, theirs)),
        ("given_away", "u", lambda role: check_not_given_away(acting, role, table)),
        ("changed", "u", lambda role: check_not_changed(acting, role, table)),
        ("deleted", "d", lambda role: check_not_deleted(acting, role, table)),
        *(
            ("seen", "s", partial(check_seen, acting, table=table, listed=listed, seen=seen))
            for listed, seen in LISTS.values()
        ),
    ]
    for name, letter, check in checks:
        for role in roles(letter, table):
            try:
                await check(role)
            except (AssertionError, pytest.fail.Exception, asyncpg.PostgresError):
                found.add(name)
    return found


def roles(letter: str, table: str) -> list[str]:
    """The bound roles that may do this to the table."""
    return [role for role, of in pairs(letter, *BOUND) if of == table]


@pytest.fixture
async def superuser(filled: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    """In a transaction that is rolled back."""
    connection = await filled.connect()
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


@every_table
async def test_R22_with_a_policy_taken_out_the_suite_goes_red(
    superuser: asyncpg.Connection, table: str
) -> None:
    assert await red(superuser, table) == set()
    letters = {"seen": "s", "written": "i", "given_away": "u", "changed": "u", "deleted": "d"}
    for taken_out, noticed in rows(TAKEN_OUT, 2):
        possible = {name for name in noticed.split() if name not in letters or roles(letters[name], table)}
        savepoint = superuser.transaction()
        await savepoint.start()
        await superuser.execute(taken_out.format(table))
        found = await red(superuser, table)
        await savepoint.rollback()
        assert (taken_out, found) == (taken_out, possible)
