"""Sweepers at work on a room's database, as their own role, in a time of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from consent_service.domain.durations import parse_duration
from consent_service.metrics import Metrics
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.sweeping import Sweeper
from tests.databases import TestDatabase
from tests.usecases.recording import KEYRING, Clock

ROUNDS_MAX = 500


class Ticks:
    """A clock of seconds that only sleeping moves, or the test."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


class Broom:
    """A sweeper. `rounds` counts what it has done."""

    def __init__(self, sweeper: Sweeper, ticks: Ticks, metrics: Metrics) -> None:
        self.sweeper = sweeper
        self.ticks = ticks
        self.metrics = metrics
        self.woken = 0

    async def sweeps(self) -> None:
        """Until nothing is left to do for now."""
        for _ in range(ROUNDS_MAX):
            if not await self.sweeper.round():
                return
        raise AssertionError("the sweeper never comes to an end")

    async def looks_back(self) -> None:
        """A good while later: also what was passed over."""
        self.ticks.at += 1000
        await self.sweeps()
        await self.sweeps()

    def swept(self, kind: str) -> float:
        return self.metrics.registry.get_sample_value("consent_swept_total", {"kind": kind}) or 0.0


@asynccontextmanager
async def a_broom(
    database: TestDatabase, clock: Clock, *, rows_per_s: int = 1000, notice: str = "P30D", holder: str = "one"
) -> AsyncIterator[Broom]:
    async with open_database(
        database.url("consent_sweeper"),
        connections_max=4,
        statement_timeout_s=10,
        lock_timeout_s=5,
        name="sweeper",
    ) as opened:
        ticks, metrics = Ticks(), Metrics()

        def wake() -> None:
            broom.woken += 1

        sweeper = Sweeper(
            opened,
            Catalogue(opened, now=clock),
            KEYRING,
            holder=holder,
            rows_per_s=rows_per_s,
            renewal_notice=parse_duration(notice),
            metrics=metrics,
            wake=wake,
            now=clock,
            seconds=ticks,
            sleep=ticks.sleep,
        )
        broom = Broom(sweeper, ticks, metrics)
        yield broom


async def own_records(rows: asyncpg.Connection, subject_id: UUID | None = None) -> list[dict[str, Any]]:
    """The service's own records, of one person or of all."""
    found = await rows.fetch(
        "select * from records where channel = 'system' and ($1::uuid is null or subject_id = $1) "
        "order by controller, subject_id, sequence",
        subject_id,
    )
    return [dict(row) for row in found]


async def staged(rows: asyncpg.Connection, kind: str) -> list[dict[str, Any]]:
    found = await rows.fetch("select * from outbox where kind = $1 order by position", kind)
    return [dict(row) for row in found]


async def notices(rows: asyncpg.Connection, kind: str) -> list[dict[str, Any]]:
    found = await rows.fetch("select * from stream_notices where kind = $1 order by number", kind)
    return [dict(row) for row in found]
