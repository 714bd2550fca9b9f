"""`events verify` in a process of its own: a plan on standard input, the outcome on output."""

from __future__ import annotations

import resource

import msgspec
import psutil

from benchmarks.plans import carry_out
from benchmarks.served import BYTES_PER_MB
from consent_service.events.checking.verify import verify_stream
from consent_service.storage.database import open_database

_STATEMENT_TIMEOUT_S = 120.0
_BYTES_PER_KIB = 1024


class Plan(msgspec.Struct, frozen=True):
    """`database_url` is the auditor's."""

    database_url: str
    bootstrap: str


class Outcome(msgspec.Struct, frozen=True):
    """Memory in megabytes: resident before, and at the peak."""

    records: int
    faults: int
    seconds: float
    before_mb: float
    peak_mb: float


async def run(plan: Plan) -> Outcome:
    before = psutil.Process().memory_info().rss / BYTES_PER_MB
    async with open_database(
        plan.database_url,
        connections_max=1,
        statement_timeout_s=_STATEMENT_TIMEOUT_S,
        lock_timeout_s=1.0,
        name="bench-verify",
    ) as database:
        report = await verify_stream(database, plan.bootstrap)
    return Outcome(
        records=report.records,
        faults=report.counts.total() + report.waiting + report.being_filled,
        seconds=report.seconds,
        before_mb=before,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_KIB / BYTES_PER_MB,
    )


if __name__ == "__main__":
    carry_out(Plan, run)
