"""Time makes events: from what has ended to a consumer on Kafka, through a sweeper that is killed on the way (R17)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeEntry
from consent_service.domain.changes import ConsentChange, Notice, RenewalDue
from consent_service.domain.purposes import Change
from consent_service.domain.values import Basis, Cause, Command, Status
from consent_service.embedded import KafkaServer
from consent_service.events.wire.consume import read_change
from consent_service.events.wire.heartbeats import is_heartbeat
from consent_service.events.wire.notices import read_notice
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.submissions import Caller
from tests.builders import NOTICES
from tests.databases import TestDatabase
from tests.events.streams import consumer, eventually, read_to_end
from tests.processes import environment_for, grant, serving, start

PEOPLE = 40
TOLD = "from records where channel = 'system'"


@pytest.fixture
async def rows(database: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await database.connect()
    yield connection
    await connection.close()


async def loads(database: TestDatabase, *purposes: PurposeEntry) -> None:
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        controller = ControllerEntry(slug="ansettr", legal_name="Ansettr AS")
        await Catalogue(opened).load(CatalogueEntries(controller=controller, purposes=purposes), "test")


async def changes(database: TestDatabase, purpose: PurposeEntry) -> None:
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        await Catalogue(opened).publish(Caller("ansettr", "test"), purpose.slug, purpose)


async def until(rows: asyncpg.Connection, question: str) -> None:
    """As soon as the answer is yes."""

    async def yes() -> bool:
        return bool(await rows.fetchval(question))

    await eventually(yes, 40)


async def arrived(
    kafka: KafkaServer, prefix: str
) -> tuple[list[ConsentChange], list[ConsentChange], list[Notice]]:
    """What has expired, what was invalidated, and the notices; each event once."""
    async with consumer(kafka.bootstrap) as reader:
        changes = [
            read_change(message).change
            for message in await read_to_end(reader, f"{prefix}.changes.v1")
            if not is_heartbeat(message)
        ]
        notices = [
            read_notice(message)
            for message in await read_to_end(reader, f"{prefix}.notices.v1")
            if not is_heartbeat(message)
        ]
    once = {change.record_id: change for change in changes}.values()
    return (
        [change for change in once if change.command is Command.EXPIRE],
        [change for change in once if change.command is Command.INVALIDATE],
        list({notice.notice_id: notice for notice in notices}.values()),
    )


CHANGED = PurposeEntry(
    slug="endres",
    legal_bases=(Basis.CONSENT,),
    notices=NOTICES,
    change=Change.MATERIAL,
    data_categories=("e-mail",),
)


async def test_R17_ends_and_changes_arrive_once_each_though_the_sweeper_is_killed(
    database: TestDatabase, kafka: KafkaServer, tmp_path: Path, rows: asyncpg.Connection
) -> None:
    soon = PurposeEntry(slug="kort", legal_bases=(Basis.CONSENT,), renew_after="PT6S", notices=NOTICES)
    changing = PurposeEntry(slug="endres", legal_bases=(Basis.CONSENT,), notices=NOTICES)
    await loads(database, soon, changing)
    prefix = database.name.replace("_", "-")
    await rows.execute("update controllers set topic_prefix = $1", prefix)
    environment = environment_for(
        database,
        tmp_path,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap,
        CONSENT_SWEEP_ROWS_PER_S="20",
    )
    sweeping = {**environment, "CONSENT_SWEEPER_DATABASE_URL": database.url("consent_sweeper")}

    async with serving(environment) as service, service.client() as client:
        first = await start("sweep", environment=sweeping)
        await until(rows, "select holder is not null from sweeper_lease")
        person = {"type": "email", "value": "kari@example.no"}
        subject_id = UUID((await grant(client, person, "kort"))["subject_id"])
        await until(rows, "select exists (select from stream_notices where kind = 'renewal_due')")
        await asyncio.gather(
            *(grant(client, {"type": "email", "value": f"p{n}@example.no"}, "endres") for n in range(PEOPLE))
        )
        await changes(database, CHANGED)
        await until(rows, f"select count(*) >= 5 {TOLD}")
        await first.stop(signal.SIGKILL)
        halfway = await rows.fetchval("select count(*) from records where command = 'invalidate'")
        second = await start("sweep", environment=sweeping)
        await until(rows, f"select count(*) > {PEOPLE} {TOLD}")
        await until(rows, "select not exists (select from outbox)")
        code = await second.stop()

    expired, invalid, notices = await arrived(kafka, prefix)
    assert 0 < halfway < PEOPLE
    assert [(one.subject_id, one.status, one.allowed) for one in expired] == [
        (subject_id, Status.EXPIRED, False)
    ]
    assert len(invalid) == len({one.subject_id for one in invalid}) == PEOPLE
    assert {(one.cause, one.status, one.allowed) for one in invalid} == {
        (Cause.PURPOSE_CHANGED, Status.INVALIDATED, False)
    }
    due = [one for one in notices if isinstance(one, RenewalDue)]
    assert [(one.subject_id, one.purpose, one.until) for one in due] == [
        (subject_id, "kort", expired[0].effective_at)
    ]
    assert len(notices) - len(due) == PEOPLE + 1
    assert code == 0, "\n".join(second.lines)


async def test_serve_sweeps_where_it_is_given_the_sweepers_database(
    database: TestDatabase, tmp_path: Path, rows: asyncpg.Connection
) -> None:
    await loads(
        database,
        PurposeEntry(slug="kort", legal_bases=(Basis.CONSENT,), renew_after="PT1S", notices=NOTICES),
    )
    environment = environment_for(
        database, tmp_path, CONSENT_SWEEPER_DATABASE_URL=database.url("consent_sweeper")
    )
    async with serving(environment) as service, service.client() as client:
        await grant(client, {"type": "email", "value": "kari@example.no"}, "kort")

        await until(rows, "select exists (select from records where command = 'expire')")
        metrics = (await client.get("/metrics")).text

    assert 'consent_swept_total{kind="expire"} 1.0' in metrics


async def test_sweep_says_what_it_needs(database: TestDatabase, tmp_path: Path) -> None:
    environment = environment_for(database, tmp_path)
    without = await start("sweep", environment=environment)
    wrong = await start(
        "sweep",
        environment={
            **environment,
            "CONSENT_SWEEPER_DATABASE_URL": database.url("consent_sweeper"),
            "CONSENT_RENEWAL_NOTICE": "a month",
        },
    )

    assert (await without.ended(), await wrong.ended()) == (2, 2)
    assert "CONSENT_SWEEPER_DATABASE_URL: is needed by `sweep`" in "\n".join(without.lines)
    assert "CONSENT_RENEWAL_NOTICE: must be an ISO 8601 duration" in "\n".join(wrong.lines)
