"""From a withdrawal's answer to the recipient's handler, and to its word on record, beside a bare producer's way."""

from __future__ import annotations

import sys
from uuid import UUID

from benchmarks import acting, latency
from benchmarks.figures import Figure, figure
from benchmarks.stage import Stage

RECORDS_EACH = 2
PEOPLE = 300
_PAUSE_S = 0.02
_BARE_RATE = 50
_BARE_S = 5.0


async def propagate(stage: Stage, people: int = PEOPLE) -> list[Figure]:
    service = await stage.service(stage.subjects, RECORDS_EACH)
    bare = await stage.latency(
        latency.Plan(
            port=service.served.port,
            token=service.token,
            people=[],
            bootstrap=stage.bootstrap,
            topic="bare-propagation",
            rate=_BARE_RATE,
            seconds=_BARE_S,
            bare=True,
        )
    )
    plan = acting.Plan(
        url=f"http://127.0.0.1:{service.served.port}",
        token=service.token,
        bootstrap=stage.bootstrap,
        prefix=service.topic.removesuffix(".changes.v1"),
        people=[UUID(subject_id) for subject_id, _ in await service.people(people)],
        pause_s=_PAUSE_S,
    )
    outcome = await stage.act(plan)
    print(f"  withdrawals of {people} people: {outcome}; a producer alone: {bare}", file=sys.stderr)
    of = "aiokafka producer, send to consumer"
    return [
        figure("withdrawal_acted_p50", outcome.acted_p50, "ms", of, bare.p50),
        figure("withdrawal_acted_p99", outcome.acted_p99, "ms", of, bare.p99),
        figure("withdrawal_proven_p50", outcome.proven_p50, "ms", of, bare.p50),
        figure("withdrawal_proven_p99", outcome.proven_p99, "ms", of, bare.p99),
    ]
