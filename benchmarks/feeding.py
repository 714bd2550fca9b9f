"""How many changes a second `/v1/changes` gives to many readers, and what they cost in memory."""

from __future__ import annotations

import sys

from benchmarks import readers
from benchmarks.figures import Figure, figure
from benchmarks.rows import RECORDS_EACH
from benchmarks.stage import Stage

RECORDS = 500
ROUNDS = 3


async def feed(stage: Stage, count: int) -> list[Figure]:
    """Changes a second over all readers, from the first record sent until everybody has all."""
    service = await stage.service(stage.subjects, RECORDS_EACH)
    bare = await stage.fanout()
    before = service.served.resident_mb
    rates, ceilings = [], []
    for _ in range(ROUNDS):
        ceilings.append((await stage.read(readers.Plan(bare.port, "", [], count, RECORDS))).rate)
        people = await service.people(stage.subjects)
        plan = readers.Plan(service.served.port, service.token, people, count, RECORDS)
        rates.append((await stage.read(plan)).rate)
        print(
            f"  {count} readers: {rates[-1]:,.0f} changes/s; bare fan-out: {ceilings[-1]:,.0f}; "
            f"{service.served.resident_mb:.0f} MB, {before:.0f} before",
            file=sys.stderr,
        )
    place = sorted(range(ROUNDS), key=lambda place: rates[place] / ceilings[place])[ROUNDS // 2]
    return [
        figure(f"feed_{count}", rates[place], "changes/s", "fan-out alone", ceilings[place]),
        figure(f"feed_{count}_memory", service.served.resident_mb, "MB", "before the first reader", before),
    ]
