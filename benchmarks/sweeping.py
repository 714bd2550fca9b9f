"""What people notice of a sweeper that has a million ended consents before it."""

from __future__ import annotations

import sys
import time

import asyncpg

from benchmarks import generator
from benchmarks.figures import Figure, figure
from benchmarks.stage import Service, Stage

CONNECTIONS = 16
ROUNDS = 5
PACE = 500
"""Rows a second, as CONSENT_SWEEP_ROWS_PER_S is by default."""
ASKED = 50_000
"""People who write; their consents have no end."""

#: Everybody's consent ended an hour ago, but for those who write.
_END = """
    update states set until = now() - interval '1 hour'
    where (controller, subject_id) in (
        select controller, subject_id from subjects order by sha256(uuid_send(subject_id)) offset $1)
"""
_SWEPT = "select count(*) from records where command = 'expire'"


async def sweep(stage: Stage, ended: int, seconds: float) -> list[Figure]:
    """The p99 of people's records while the sweeper works, beside what it is without, in turns."""
    service = await stage.service(ended + ASKED, 1)
    connection = await asyncpg.connect(stage.superuser_url(f"consent_{ended + ASKED}_1"))
    with_sweeper, without, swept = [], [], []
    try:
        await connection.execute(_END, ASKED)
        await connection.execute("vacuum analyze states")
        for _ in range(ROUNDS):
            without.append(await _write(stage, service, seconds / ROUNDS))
            sweeper = await stage.sweeper(f"consent_{ended + ASKED}_1")
            before, began = await connection.fetchval(_SWEPT), time.perf_counter()
            with_sweeper.append(await _write(stage, service, seconds / ROUNDS))
            swept.append((await connection.fetchval(_SWEPT) - before) / (time.perf_counter() - began))
            await sweeper.stop()
            await service.drained()
            print(
                f"  p99 of {CONNECTIONS} people who write: {with_sweeper[-1].p99:.1f} ms beside a sweeper that closes "
                f"{swept[-1]:.0f}/s, {without[-1].p99:.1f} ms without",
                file=sys.stderr,
            )
    finally:
        await connection.close()
    ratios = [one.p99 / other.p99 for one, other in zip(with_sweeper, without, strict=True)]
    place = sorted(range(ROUNDS), key=ratios.__getitem__)[ROUNDS // 2]
    name = f"sweep_{_short(ended)}"
    noticed, otherwise = with_sweeper[place].p99, without[place].p99
    return [
        figure(f"{name}_people_p99", noticed, "ms", "without a sweeper", otherwise),
        figure(name, swept[place], "records/s", "the pace that is set", PACE),
    ]


async def _write(stage: Stage, service: Service, seconds: float) -> generator.Outcome:
    plan = generator.Plan(
        port=service.served.port,
        token=service.token,
        kind="record",
        people=await service.people(ASKED),
        connections=CONNECTIONS,
        seconds=seconds,
    )
    outcome = await stage.load(plan)
    if set(outcome.statuses) != {201}:
        raise RuntimeError(f"answers other than 201: {outcome.statuses}")
    return outcome


def _short(count: int) -> str:
    return f"{count // 1_000_000}m" if count >= 1_000_000 else f"{count // 1000}k"
