"""How fast relays work off a backlog, into both topics, fenced: beside a bare producer with the same settings."""

from __future__ import annotations

import sys
import time

import asyncpg

from benchmarks import producer
from benchmarks.figures import Figure, figure
from benchmarks.rows import RECORDS_EACH
from benchmarks.stage import Stage, emptied

BACKLOG = 200_000
ROUNDS = 3
DRAINED_S = 300.0
#: About what a relay has under way at once.
BATCH = 2_400

_STAGE = """
    insert into outbox (kind, controller, subject_id, purpose, sequence, shard)
    select 'record', r.controller, r.subject_id, r.purpose, r.sequence, s.shard
    from records r join subjects s using (controller, subject_id)
    order by r.sequence, r.subject_id
"""


async def drain(stage: Stage, relays: int) -> list[Figure]:
    """Events a second of so many relay processes, from the commit of the backlog until the outbox is empty."""
    subjects = BACKLOG // RECORDS_EACH
    database, _ = await stage.ledger(f"drain_{relays}", subjects, RECORDS_EACH)
    for _ in range(relays):
        await stage.relay(database)
    connection = await asyncpg.connect(stage.superuser_url(database))
    rates, ceilings = [], []
    try:
        await emptied(connection, DRAINED_S)
        for round_ in range(ROUNDS):
            plan = producer.Plan(stage.bootstrap, f"bare-{relays}-{round_}", BACKLOG, BATCH)
            ceilings.append((await stage.produce(plan)).rate)
            await stage_all(connection)
            began = time.perf_counter()
            await emptied(connection, DRAINED_S)
            rates.append(BACKLOG / (time.perf_counter() - began))
            print(
                f"  {relays} relays: {rates[-1]:,.0f} events/s; a producer alone: {ceilings[-1]:,.0f}",
                file=sys.stderr,
            )
    finally:
        await connection.close()
    place = sorted(range(ROUNDS), key=lambda place: rates[place] / ceilings[place])[ROUNDS // 2]
    name = f"relay_drain_{relays}"
    resident = sum(stage.resident_mb(database))
    return [
        figure(name, rates[place], "events/s", "aiokafka producer, both topics", ceilings[place]),
        figure(f"{name}_memory", resident, "MB", "MB a relay", resident / relays),
    ]


async def stage_all(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Every record of the ledger is to be published, in one commit."""
    await connection.execute(_STAGE)
