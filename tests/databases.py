"""A migrated database for each test that asks for one, copied from a template in a few hundredths of a second."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from consent_service.embedded import PostgresServer
from consent_service.storage.preparation import ROLES, migrate, prepare

TEMPLATE = "consent_template"
_number = itertools.count(1)


class TestDatabase:
    """One database; `url(role)` for each role of the service, or for the superuser `postgres`."""

    __test__ = False

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server = server
        self.name = name

    def url(self, role: str = "consent_service") -> str:
        return self._server.url(role, self.name)

    async def connect(self, role: str = "postgres") -> asyncpg.Connection:
        """A connection of its own; the caller closes it."""
        return await asyncpg.connect(self.url(role))

    @asynccontextmanager
    async def row_counts(self) -> AsyncIterator[Callable[[], Awaitable[dict[str, int]]]]:
        """A function that counts each table's rows: the same twice shows that nothing was stored in between.

        Which processes are alive is written whatever is asked of them.
        """
        connection = await self.connect()
        try:
            names = await connection.fetch(
                "select tablename from pg_tables where schemaname = 'public' and tablename <> 'key_holders' order by 1"
            )
            counts = ", ".join(f'(select count(*) from "{name}") as "{name}"' for (name,) in names)
            count = await connection.prepare(f"select {counts}")

            async def counted() -> dict[str, int]:
                [row] = await count.fetch()
                return dict(row)

            yield counted
        finally:
            await connection.close()


async def make_template(server: PostgresServer) -> None:
    """Roles with passwords, and a migrated database to copy from."""
    await prepare(server.url(), TEMPLATE, {role: server.password(role) for role in ROLES})
    await migrate(server.url("consent_owner", TEMPLATE))


async def copy_template(server: PostgresServer, template: str = TEMPLATE) -> TestDatabase:
    """A copy of the migrated database, or of another to which nobody is connected."""
    name = f"test_{os.getpid()}_{next(_number)}"
    await _run(server, f"create database {name} template {template} owner consent_owner")
    return TestDatabase(server, name)


async def drop(server: PostgresServer, database: TestDatabase) -> None:
    await _run(server, f"drop database {database.name} with (force)")


async def _run(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
