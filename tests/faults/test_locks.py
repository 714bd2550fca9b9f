"""Somebody holds a person locked, or wants what we hold: clear answers in time, nothing lost, nothing twice (R23)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from uuid import UUID

import asyncpg
import pytest

from consent_service.cli.token import SUBJECT
from consent_service.embedded import PostgresServer
from tests.events.streams import eventually
from tests.faults.callers import Caller
from tests.faults.load import CONTROLLER, DECIDED, Load
from tests.faults.stage import Stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

HELD_TIMES = soak(1, 10)
DEADLOCKS = soak(1, 10)
CLIENTS = 6
BETWEEN = 60
#: Longer than the time-out that is tried, shorter than the other, of ten seconds.
LOCKED_S_MAX = 5.0
LOCK = "update subjects set last_sequence = last_sequence where subject_id = $1"
LOCK_CATALOGUE = "select from controllers where controller = $1 for update"
DEADLOCK = "deadlock detected"
HOLD_KEY = """
    insert into idempotency (key, controller, fingerprint, status, answer, expires_at)
    values ($1, $2, '', 200, '', now() + interval '1 hour')
"""
WAITING = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"


@pytest.mark.parametrize(
    ("lock_timeout_s", "statement_timeout_s"),
    [("0.3", "10"), ("10", "0.3")],
    ids=["lock time-out", "statement time-out"],
)
@pytest.mark.timeout(soak(180, 600))
async def test_R23_a_person_held_by_somebody_else_is_said_and_the_others_go_on(
    stage: Stage, lock_timeout_s: str, statement_timeout_s: str
) -> None:
    service = await stage.start(
        CONSENT_LOCK_TIMEOUT_S=lock_timeout_s, CONSENT_STATEMENT_TIMEOUT_S=statement_timeout_s
    )
    held, *others = await stage.persons()
    about_held = Load([stage.url], stage.token, [held], seed=1)
    about_others = Load([stage.url], stage.token, others, seed=2)
    async with about_held.running(CLIENTS), about_others.running(CLIENTS):
        await about_held.more(BETWEEN)
        for time in range(HELD_TIMES):
            async with holding(stage, LOCK, UUID(held)):
                async with asyncio.timeout(LOCKED_S_MAX):
                    await about_held.refused(CLIENTS)
                await about_others.more(BETWEEN)
            await about_held.more(BETWEEN)
            _log.info("held %d of %d, %s", time + 1, HELD_TIMES, about_held.statuses)

    assert about_others.statuses.get(503, 0) == 0
    about_others.said += about_held.said
    about_others.stuck += about_held.stuck
    await stage.holds(about_others)
    assert await service.process.stop() == 0


async def test_what_else_meets_a_lock_is_said_too(stage: Stage) -> None:
    """Commands are tried again; publishing a purpose is one of those that are not."""
    service = await stage.start(CONSENT_LOCK_TIMEOUT_S="0.1")
    content = {"legal_bases": ["legitimate_interests"], "legal_bases_reason": "A test."}
    async with holding(stage, LOCK_CATALOGUE, CONTROLLER):
        async with asyncio.timeout(LOCKED_S_MAX):
            answer = await stage.ask("PUT", "/v1/purposes/another", content)
        assert (await stage.ask("GET", "/v1/purposes/another")).status == 404

    assert (answer.status, answer.content["type"]) == (503, "/problems/unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert (await stage.ask("PUT", "/v1/purposes/another", content)).status == 201
    assert await service.process.stop() == 0


@pytest.mark.timeout(soak(180, 600))
async def test_R23_a_deadlock_with_somebody_else_is_one_record(
    stage: Stage, postgres: PostgresServer
) -> None:
    """We hold the person and want the key; they hold the key and want the person. We give way, and try again."""
    before = postgres.log_file.read_text().count(DEADLOCK)
    watcher = await stage.database.connect()
    await watcher.execute(f"alter database {stage.database.name} set deadlock_timeout = '0.9s'")
    service = await stage.start()
    (person,) = await stage.persons(count=1)
    load = Load([stage.url], stage.token, [person], seed=3)
    caller = Caller(stage.url, stage.token)

    async def waits() -> bool:
        return bool(await watcher.fetchval(WAITING))

    for time in range(DEADLOCKS):
        said = load.speak()
        key = sha256(f"{CONTROLLER}\0{SUBJECT}\0{said.key}".encode()).digest()
        async with holding(stage, HOLD_KEY, key, CONTROLLER) as rival:
            await rival.execute("set local deadlock_timeout = '20s'")
            saying = asyncio.ensure_future(load.insist(said, caller))
            await eventually(waits)
            await asyncio.wait_for(rival.execute(LOCK, UUID(person)), 10)
            assert not saying.done()
        await saying
        assert postgres.log_file.read_text().count(DEADLOCK) == before + time + 1
        assert [answer.status in DECIDED for answer in said.answers] == [True]
        _log.info("deadlock %d of %d", time + 1, DEADLOCKS)
    caller.close()
    await watcher.close()

    assert load.said[0].answers[0].status == 201
    await stage.holds(load)
    assert await service.process.stop() == 0


@asynccontextmanager
async def holding(stage: Stage, statement: str, *values: object) -> AsyncIterator[asyncpg.Connection]:
    """A transaction of somebody else, who leaves without a trace at the end of the block."""
    connection = await stage.database.connect()
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(statement, *values)
    try:
        yield connection
    finally:
        with contextlib.suppress(asyncpg.PostgresError):
            await transaction.rollback()
        await connection.close()
