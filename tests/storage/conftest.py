"""A database in which every table of a controller's holds rows, of two controllers; nothing in it is ever changed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from consent_service.domain.catalogue import SiteEntry
from consent_service.embedded import PostgresServer
from consent_service.storage.catalogue import put_site
from consent_service.usecases.submissions import Caller
from tests.databases import TestDatabase, copy_template, drop
from tests.storage.planning import grow
from tests.usecases.recording import PURPOSES, a_command, open_room, someone

CONTROLLERS = ("ansettr", "coness")


@pytest.fixture(scope="session")
async def filled(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    database = await copy_template(postgres)
    await fill(database)
    yield database
    await drop(postgres, database)


@pytest.fixture(scope="session")
async def grown(postgres: PostgresServer) -> AsyncIterator[TestDatabase]:
    """Some ten thousand rows in every table that grows, analysed; nothing in it is ever changed."""
    database = await copy_template(postgres)
    await grow(database)
    yield database
    await drop(postgres, database)


async def fill(database: TestDatabase) -> None:
    """As the service does it, and by SQL what no use case writes yet."""
    async with open_room(database, CONTROLLERS) as room:
        for controller in CONTROLLERS:
            await room.says(someone("anna"), a_command(), controller=controller, key="key")
            await room.catalogue.save_draft(Caller(controller, "test"), "utkast", PURPOSES[0])
            async with room.database.transaction([controller]) as connection:
                await put_site(
                    connection, controller, SiteEntry(f"site-{controller}", ("https://example.org",))
                )
                await connection.execute(
                    "insert into suppressions (hash, controller, key_id, suppressed_at) "
                    "values (sha256($1::text::bytea), $1, 'lookup-1', now())",
                    controller,
                )
                await connection.execute(
                    "insert into choices (controller, subject_id, choice_id, fingerprint, recorded_at) "
                    "select controller, subject_id, 'choice', sha256('said'), now() from subjects"
                )
                await connection.execute(
                    "insert into screens (controller, site_key, screen_hash, language, layer, content, first_shown_at) "
                    "select controller, site_key, sha256('shown'), 'nb', 'banner', '{}', now() from sites"
                )
                await connection.execute(
                    "insert into duties (controller, subject_id, sequence, recipient, purpose, record_id, allowed, "
                    "owed_since, due_at) select controller, subject_id, 1, 'brevo', 'nyhetsbrev', "
                    "gen_random_uuid(), true, now(), now() from subjects"
                )
                await connection.execute(
                    "insert into acknowledgements (controller, subject_id, sequence, recipient, outcome, purpose, "
                    "record_id, at, received_at) select controller, subject_id, 1, 'brevo', 'started', "
                    "'nyhetsbrev', gen_random_uuid(), now(), now() from subjects"
                )
                await connection.execute(
                    "insert into stream_notices (controller, subject_id, notice_id, kind, noticed_at) "
                    "select controller, subject_id, gen_random_uuid(), 'renewal_due', now() from subjects"
                )
    superuser = await database.connect()
    await superuser.execute(
        "insert into sweeps (controller, purpose, version, started_at, walk_began_at) "
        "select controller, 'nyhetsbrev', 2, now(), now() from controllers"
    )
    await superuser.execute(
        "insert into api_keys (controller, key_id, hash, name, scopes, created_at, created_by, expires_at) "
        "select controller, 'abcdefghijk0', sha256(controller::bytea), 'sync', '{consents:read}', now(), 'test', "
        "now() + interval '1 year' from controllers"
    )
    await superuser.close()
