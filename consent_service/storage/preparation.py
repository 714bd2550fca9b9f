"""Roles and database, made by a superuser; migrations, applied by the owner (CORE 19)."""

from __future__ import annotations

import asyncio
import os
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

#: The roles that migrations grant to. The first owns the database.
ROLES = (
    "consent_owner",
    "consent_service",
    "consent_relay",
    "consent_sweeper",
    "consent_keeper",
    "consent_auditor",
)

MIGRATIONS = Path(__file__).parents[2] / "migrations"

_ROLE_EXISTS = "select exists (select from pg_roles where rolname = $1)"
_CREATE_ROLE = "select format('create role %I login', $1::text)"
_SET_PASSWORD = "select format('alter role %I password %L', $1::text, $2::text)"  # noqa: S105  a statement that takes one
_DATABASE_EXISTS = "select exists (select from pg_database where datname = $1)"
_CREATE_DATABASE = "select format('create database %I owner consent_owner', $1::text)"
_CLOSE_DATABASE = "select format('revoke all on database %I from public', $1::text)"
_OPEN_DATABASE = "select format('grant connect on database %I to %s', $1::text, $2::text)"


# An index that is being built while people write is not valid until it is whole, and stays so where that is cut short.
_UNFINISHED_INDEXES = """
select format('drop index concurrently if exists %s', unfinished.indexrelid::regclass)
from pg_index as unfinished
join pg_class as named on named.oid = unfinished.indexrelid
where not unfinished.indisvalid
  and named.relowner = to_regrole(current_user)
  and not exists (
      select from pg_stat_progress_create_index as building where building.index_relid = unfinished.indexrelid
  )
"""


class MigrationFailed(Exception):
    """dbmate's own words on what went wrong."""


async def prepare(superuser_url: str, database: str, passwords: Mapping[str, str]) -> None:
    """Make the roles and the database where they are missing, and set the passwords given. Safe to repeat."""
    connection = await asyncpg.connect(superuser_url)
    try:
        for role in ROLES:
            if not await connection.fetchval(_ROLE_EXISTS, role):
                await connection.execute(await connection.fetchval(_CREATE_ROLE, role))
            if role in passwords:
                await connection.execute(await connection.fetchval(_SET_PASSWORD, role, passwords[role]))
        if not await connection.fetchval(_DATABASE_EXISTS, database):
            await connection.execute(await connection.fetchval(_CREATE_DATABASE, database))
        await connection.execute(await connection.fetchval(_CLOSE_DATABASE, database))
        await connection.execute(await connection.fetchval(_OPEN_DATABASE, database, ", ".join(ROLES)))
    finally:
        await connection.close()


async def migrate(owner_url: str) -> list[str]:
    """Apply the pending migrations as their owner, one process at a time. Returns the names of those applied.

    Raises MigrationFailed. A migration waits at most five seconds for a lock, so that it never stops the service. Where
    that cut short the building of an index, it is begun anew.
    """
    program = shutil.which("dbmate", path=sysconfig.get_path("scripts")) or shutil.which("dbmate")
    if program is None:
        raise MigrationFailed("dbmate is not installed")
    await _drop_unfinished_indexes(owner_url)
    process = await asyncio.create_subprocess_exec(
        program,
        "--migrations-dir",
        str(MIGRATIONS),
        "--no-dump-schema",
        "--migration-lock",
        "migrate",
        env={**os.environ, "DATABASE_URL": _with_lock_timeout(owner_url)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode(errors="replace")
    if process.returncode != 0:
        raise MigrationFailed(output.strip())
    return [
        line.removeprefix("Applied: ").split(" in ")[0] for line in output.splitlines() if "Applied:" in line
    ]


async def _drop_unfinished_indexes(owner_url: str) -> None:
    connection = await asyncpg.connect(owner_url, server_settings={"lock_timeout": "5000"})
    try:
        for (drop,) in await connection.fetch(_UNFINISHED_INDEXES):
            await connection.execute(drop)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationFailed(
            "an index whose building was cut short cannot be dropped now; try again"
        ) from error
    finally:
        await connection.close()


def _with_lock_timeout(url: str) -> str:
    """dbmate's driver wants `postgres:`, an explicit sslmode, and takes session settings as query parameters."""
    parts = urlsplit(url)
    query = (
        parts.query if "sslmode" in parts.query else "&".join(filter(None, [parts.query, "sslmode=disable"]))
    )
    return urlunsplit(parts._replace(scheme="postgres", query=query + "&lock_timeout=5000"))
