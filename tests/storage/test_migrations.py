"""Migrations: forward only, numbered without gaps, and adding up to the committed dump."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from consent_service.embedded import PostgresServer
from consent_service.storage.preparation import MIGRATIONS, ROLES, MigrationFailed, migrate, prepare
from tests.databases import TEMPLATE, make_template
from tests.storage.dump_schema import SCHEMA, dump, normalised

IS_VALID = "select indisvalid from pg_index where indexrelid = 'identifier_hashes_identifier'::regclass"
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
    head, up = path.read_text().split("\n", 1)
    up, down = up.split("-- migrate:down")

    assert head.removesuffix(" transaction:false") == "-- migrate:up"
    assert up.strip()
    assert not down.strip()


def statements(path: Path) -> list[str]:
    """In lower case, without comments; parts of a block count as statements too."""
    text = re.sub(r"--[^\n]*", "", path.read_text()).lower()
    return [one.strip() for one in text.split(";") if one.strip()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_index_of_a_table_that_has_rows_is_built_while_people_write(path: Path) -> None:
    """Which stops nobody, but must be alone in its file, outside of any transaction. Those before the first are of tables
    that were as new as the file, or had been in no release.
    """
    made = {found[1] for one in statements(path) if (found := re.search(r"create table (\w+)", one))}
    indexes = [one for one in statements(path) if re.match(r"create (unique )?index", one)]
    of_others = [one for one in indexes if re.search(r" on (\w+)", one)[1] not in made]  # type: ignore[index]

    if path.name < "0008":
        return
    for one in of_others:
        assert re.match(r"create (unique )?index concurrently if not exists", one), one
        assert statements(path) == [one]
        assert path.read_text().startswith("-- migrate:up transaction:false\n")


async def test_an_index_whose_building_was_cut_short_is_built_anew(postgres: PostgresServer) -> None:
    """It waits for those who look at the past, five seconds at most; the service goes on all the while."""
    await prepare(postgres.url(), "consent_cut", {role: postgres.password(role) for role in ROLES})
    url = postgres.url("consent_owner", "consent_cut")
    await migrate(url)
    owner = await asyncpg.connect(url)
    await owner.execute("drop index identifier_hashes_identifier")
    await owner.execute("delete from schema_migrations where version = '0014'")
    reader = await asyncpg.connect(url)
    try:
        async with reader.transaction(isolation="repeatable_read"):
            await reader.execute("select from identifier_hashes")
            with pytest.raises(MigrationFailed, match="lock timeout"):
                await migrate(url)
            assert not await owner.fetchval(IS_VALID)

        assert await migrate(url) == ["0014_pre_identifier_index.sql"]
        assert await owner.fetchval(IS_VALID)
        assert await dump(postgres, "consent_cut") == SCHEMA.read_text()
    finally:
        await reader.close()
        await owner.close()


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
