"""How long a withdrawal takes to a recipient's handler, and its word to be on record: a plan on standard input, the
outcome on output. Caller and recipient are one process, so that one clock tells.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import msgspec
from consent_client import ConsentClient, Limits, Recipient
from consent_client.model import Change

from benchmarks.generator import percentile
from benchmarks.messages import CONTROLLER, PURPOSE
from benchmarks.plans import carry_out

RECIPIENT = "matomo"
_PATIENCE_S = 30.0
_LOOK_S = 0.002


class Plan(msgspec.Struct, frozen=True):
    """`people` agree, and then take it back one after the other, `pause_s` apart."""

    url: str
    token: str
    bootstrap: str
    prefix: str
    people: list[UUID]
    pause_s: float


class Outcome(msgspec.Struct, frozen=True):
    """In ms, from the answer to a withdrawal: p50 and p99 of the handler's call, and of its word in `/propagation`."""

    acted_p50: float
    acted_p99: float
    proven_p50: float
    proven_p99: float


class System(Recipient):
    """Notes when its handler is called for a record."""

    slug = RECIPIENT
    purposes = (PURPOSE,)

    def __init__(self) -> None:
        self.called: dict[UUID, float] = {}

    async def start(self, change: Change) -> None:
        self.called[change.record_id] = time.perf_counter()

    async def stop(self, change: Change) -> None:
        self.called[change.record_id] = time.perf_counter()


async def run(plan: Plan) -> Outcome:
    system, stop = System(), asyncio.Event()
    running = asyncio.create_task(
        system.run(
            kafka=plan.bootstrap,
            controller=CONTROLLER,
            prefix=plan.prefix,
            limits=Limits(commit_s=0.1),
            stop=stop,
        )
    )
    acted, proven = [], []
    async with ConsentClient(plan.url, plan.token) as client, asyncio.timeout(_PATIENCE_S * len(plan.people)):
        while system.counters.lag != 0:  # noqa: ASYNC110  it counts, and tells nobody
            await asyncio.sleep(_LOOK_S)
        for person in plan.people:
            await client.grant(person, PURPOSE, version=1)
        for person in plan.people:
            withdrawn = (await client.withdraw(person, PURPOSE)).record.record_id
            answered = time.perf_counter()
            while not await _settled(client, withdrawn):  # noqa: ASYNC110  the service tells when asked
                await asyncio.sleep(_LOOK_S)
            proven.append((time.perf_counter() - answered) * 1000)
            acted.append((system.called[withdrawn] - answered) * 1000)
            await asyncio.sleep(plan.pause_s)
    stop.set()
    await running
    acted, proven = sorted(acted), sorted(proven)
    return Outcome(*(percentile(of, at) for of in (acted, proven) for at in (0.5, 0.99)))


async def _settled(client: ConsentClient, record_id: UUID) -> bool:
    recipients = (await client.propagation(record_id)).recipients
    return any(one.recipient == RECIPIENT and one.settled_at is not None for one in recipients)


if __name__ == "__main__":
    carry_out(Plan, run)
