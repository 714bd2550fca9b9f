"""Migrations: forward only, numbered without gaps, and adding up to the committed dump."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from consent_service.embedded import PostgresServer
from consent_service.storage.preparation import MIGRATIONS, ROLES, migrate, prepare
from tests.databases import TEMPLATE, make_template
from tests.storage.dump_schema import SCHEMA, dump, normalised

FILES = sorted(path for path in MIGRATIONS.iterdir() if path != SCHEMA)


@pytest.fixture(scope="module")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresServer]:
    """A server of its own, as the committed dump was made on; on one that hundreds of tests share it came out otherwise."""
    async with PostgresServer(tmp_path_factory.mktemp("migrations"), fsync=False) as server:
        await make_template(server)
        yield server


def test_files_are_numbered_without_gaps_and_say_when_they_run() -> None:
    """`pre` before the new release starts, `post` once the old one is gone."""
    named = [re.fullmatch(r"(\d{4})_(pre|post)_[a-z0-9]+(_[a-z0-9]+)*\.sql", path.name) for path in FILES]

    assert None not in named
    assert [int(name[1]) for name in named if name] == list(range(1, len(FILES) + 1))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_migration_only_goes_forward(path: Path) -> None:
    up, down = path.read_text().removeprefix("-- migrate:up\n").split("-- migrate:down")

    assert up.strip()
    assert not down.strip()


async def test_an_empty_database_is_migrated_once(postgres: PostgresServer) -> None:
    """And preparing it again changes nothing."""
    passwords = {role: postgres.password(role) for role in ROLES}
    await prepare(postgres.url(), "consent_fresh", passwords)
    url = postgres.url("consent_owner", "consent_fresh")

    assert await migrate(url) == [path.name for path in FILES]
    await prepare(postgres.url(), "consent_fresh", passwords)
    assert await migrate(url) == []
    assert await dump(postgres, "consent_fresh") == SCHEMA.read_text()


async def test_the_committed_dump_is_what_all_migrations_amount_to(postgres: PostgresServer) -> None:
    """Write it anew with `python -m tests.storage.dump_schema`."""
    assert await dump(postgres, TEMPLATE) == SCHEMA.read_text()


async def test_the_dump_can_be_loaded_again(postgres: PostgresServer) -> None:
    """So nothing that matters is left out of it."""
    await prepare(postgres.url(), "consent_loaded", {})
    connection = await asyncpg.connect(postgres.url("postgres", "consent_loaded"))
    await connection.execute(SCHEMA.read_text())
    await connection.close()

    assert await dump(postgres, "consent_loaded") == SCHEMA.read_text()


def test_a_dump_is_told_without_what_changes_each_time() -> None:
    assert normalised("--\n\\restrict abc\nSET x = 1;\n\n\nCREATE TABLE a ();\n\n\n-- b\nGRANT b;\n") == (
        "CREATE TABLE a ();\n\nGRANT b;\n"
    )
