"""Every policy is needed: with any of them gone or loosened, the tests of row-level security go red (R22)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
import pytest

from tests.databases import TestDatabase
from tests.http.tables import rows
from tests.storage.privileges import COLUMNS, pairs
from tests.storage.test_row_level_security import (
    LISTS,
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
    is_keepers,
    policies_of,
)

BOUND = ("consent_service", "consent_sweeper", "consent_keeper")
#: What is done to a table | whom that unbinds, or deprives of their own | what must notice: what is declared (unguarded, policies), and
#: what those roles can do where they may at all. What is done to the keeper's policies is done where there are such.
TAKEN_OUT = """
alter policy own_controllers on {} using (true)                              | service sweeper        | policies seen written given_away changed deleted
drop policy own_controllers on {}                                            | service sweeper        | policies seen given_away changed deleted
create policy another on {} to consent_service, consent_sweeper using (true) | service sweeper        | policies seen written given_away changed deleted
alter policy own_controllers on {} with check (true)                         | service sweeper        | policies written given_away
alter policy own_controllers on {} to consent_relay                          | service sweeper        | policies seen given_away changed deleted
alter policy keepers_controllers on {} using (true)                          | keeper                 | policies seen written given_away changed deleted
drop policy keepers_controllers on {}                                        | keeper                 | policies seen given_away changed deleted
create policy keepers_own on {} to consent_keeper using (true)               | keeper                 | policies seen written given_away changed deleted
alter policy keepers_controllers on {} with check (true)                     | keeper                 | policies written given_away
alter policy keepers_controllers on {} to consent_relay                      | keeper                 | policies seen given_away changed deleted
alter policy every_controller on {} to public                                | service sweeper keeper | policies seen written given_away changed deleted
alter table {} disable row level security                                    | service sweeper keeper | unguarded seen written given_away changed deleted
alter table {} no force row level security                                   | -                      | unguarded
"""
LETTERS = {"seen": "s", "written": "i", "given_away": "u", "changed": "u", "deleted": "d"}


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
    if {tuple(row) for row in await superuser.fetch(POLICIES_OF, table)} != policies_of(table):
        found.add("policies")
    acting, theirs = acting_within(superuser), await a_row_of_coness(superuser, table)
    checks: list[tuple[str, Callable[[str], Awaitable[None]]]] = [
        ("written", lambda role: check_not_written(acting, role, table, theirs)),
        ("given_away", lambda role: check_not_given_away(acting, role, table)),
        ("changed", lambda role: check_not_changed(acting, role, table, changeable(role, table))),
        ("deleted", lambda role: check_not_deleted(acting, role, table)),
        *(
            ("seen", partial(check_seen, acting, table=table, listed=listed, seen=seen))
            for listed, seen in LISTS.values()
        ),
    ]
    for name, check in checks:
        for role in roles(name, table):
            try:
                await check(role)
            except (AssertionError, pytest.fail.Exception, asyncpg.PostgresError):
                found.add(name)
    return found


def roles(name: str, table: str) -> set[str]:
    """The bound roles that may do to the table what this check is about; one column is enough for a change."""
    found = {role for role, of in pairs(LETTERS[name], *BOUND) if of == table}
    if name == "changed":
        found |= {role for role, of, _ in COLUMNS if of == table}
    return found


def changeable(role: str, table: str) -> str:
    """A column of the table that the role may update."""
    columns = (column for whose, of, column in sorted(COLUMNS) if (whose, of) == (role, table))
    return next(columns, "controller")


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
    for taken_out, whom, noticed in rows(TAKEN_OUT, 3):
        if "keepers" in taken_out and not is_keepers(table):
            continue
        concerned = {f"consent_{name}" for name in whom.split()}
        possible = {name for name in noticed.split() if name not in LETTERS or roles(name, table) & concerned}
        savepoint = superuser.transaction()
        await savepoint.start()
        await superuser.execute(taken_out.format(table))
        found = await red(superuser, table)
        await savepoint.rollback()
        assert (taken_out, found) == (taken_out, possible)
