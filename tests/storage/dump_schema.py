"""Write migrations/schema.sql anew, on a PostgreSQL of its own: `python -m tests.storage.dump_schema`.

The dump is for readers and for reviews: it shows what all migrations together amount to. A test holds it up to date.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from consent_service.embedded import PostgresServer
from consent_service.storage.preparation import MIGRATIONS
from tests.databases import TEMPLATE, make_template

SCHEMA = MIGRATIONS / "schema.sql"


async def dump(server: PostgresServer, database: str) -> str:
    """The database's schema without owners, and without what changes from one dump or one release to the next."""
    process = await asyncio.create_subprocess_exec(
        server.program("pg_dump"),
        "--schema-only",
        "--no-owner",
        server.url("postgres", database),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"pg_dump failed: {errors.decode(errors='replace').strip()}")
    return normalised(output.decode())


def normalised(text: str) -> str:
    """Statements alone: no comments, no session settings, no pg_dump's own commands, one blank line between."""
    kept: list[str] = []
    for line in text.splitlines():
        if line.startswith(("--", "\\", "SET ", "SELECT pg_catalog.set_config")):
            continue
        if line or (kept and kept[-1]):
            kept.append(line.rstrip())
    return "\n".join(kept).strip() + "\n"


async def write() -> None:
    """A fresh server, all migrations, one dump."""
    with tempfile.TemporaryDirectory() as folder:
        async with PostgresServer(Path(folder) / "postgres", fsync=False) as server:
            await make_template(server)
            SCHEMA.write_text(await dump(server, TEMPLATE))


if __name__ == "__main__":
    asyncio.run(write())
