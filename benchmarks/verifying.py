"""How fast `events verify` compares a ledger with its stream, and what memory that takes."""

from __future__ import annotations

import sys

import asyncpg

from benchmarks import comparison, recipients
from benchmarks.draining import DRAINED_S, stage_all
from benchmarks.figures import Figure, figure
from benchmarks.rows import RECORDS_EACH
from benchmarks.stage import Stage, emptied

_DRAINED_S_A_RECORD = 0.001


async def verify(stage: Stage, size: str, records: int) -> list[Figure]:
    """Records a second, with everything of them on both topics; and the peak. Raises RuntimeError at a fault."""
    subjects = records // RECORDS_EACH
    database, prefix = await stage.ledger(f"verify_{size}", subjects, RECORDS_EACH)
    await stage.relay(database)
    connection = await asyncpg.connect(stage.superuser_url(database))
    try:
        await stage_all(connection)
        await emptied(connection, DRAINED_S + records * _DRAINED_S_A_RECORD)
    finally:
        await connection.close()
    bare = await stage.receive(recipients.Plan(stage.bootstrap, prefix, f"{prefix}-bare", records, bare=True))
    outcome = await stage.compare(comparison.Plan(stage.auditor_url(database), stage.bootstrap))
    print(f"  {outcome}", file=sys.stderr, flush=True)
    if outcome.faults or outcome.records != records:
        raise RuntimeError(f"stream and ledger do not agree: {outcome}")
    name, rate = f"verify_{size}", records / outcome.seconds
    return [
        figure(name, rate, "records/s", "aiokafka consumer alone, changes", bare.rate),
        figure(f"{name}_memory", outcome.peak_mb, "MB", "before the first record", outcome.before_mb),
    ]
