"""What is measured, by name. Each measurement takes turns with its ceilings, since the machine's speed varies."""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from statistics import median_high

from benchmarks import gating, generator, latency
from benchmarks.draining import drain
from benchmarks.feeding import feed
from benchmarks.figures import Figure, figure
from benchmarks.first_tag import first_allowed_tag
from benchmarks.messages import BATCH_QUERIES
from benchmarks.propagating import propagate
from benchmarks.receiving import EVENTS, receive
from benchmarks.rows import RECORDS_EACH
from benchmarks.stage import Service, Stage
from benchmarks.sweeping import sweep
from benchmarks.verifying import verify

ROUNDS = 5
SUBJECTS_ASKED_MAX = 50_000
BATCH_CONNECTIONS = 16
EVENTS_PER_S = 500
MEMORY_SUBJECTS = 100_000
MEMORY_S_MAX = 7200.0
WARM_UP_S = 2.0
_SCALES = {"k": 1_000, "m": 1_000_000}
_EXPECTED = {"record": 201, "check": 200, "batch_check": 200, "notice": 200, "site_post": 201}
_UNITS = {"record": "records", "check": "checks", "batch": "checks", "notice": "notices", "site": "choices"}

#: Without names on the command line; `memory_1m` takes longer than all of them.
DEFAULT = (
    *("record_16", "record_64", "check_16", "check_64", "batch_check", "event_latency_500"),
    *(
        "event_latency_2000",
        "relay_drain_1",
        "relay_drain_2",
        "feed_1000",
        "recipient_throughput",
        "withdrawal",
    ),
    *("notice_64", "site_post_64", "first_allowed_tag", "gate_answers", "gate_bootstrap_1m"),
    *("record_10k_rows", "record_1m_rows", "check_10k_rows", "check_1m_rows"),
)


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


async def _slice(
    stage: Stage, service: Service, kind: str, connections: int, seconds: float, *, echo: bool
) -> generator.Outcome:
    """One turn of the load generator on the service, or the same requests on the echo."""
    plan = generator.Plan(
        port=stage.echo.port if echo else service.served.port,
        token=await service.screen_hash() if kind == "site_post" else service.token,
        kind=kind,
        people=await service.people(SUBJECTS_ASKED_MAX),
        connections=connections,
        seconds=seconds,
    )
    outcome = await stage.load(plan)
    expected = 200 if echo else _EXPECTED[kind]
    if set(outcome.statuses) != {expected}:
        raise RuntimeError(f"{kind}: answers other than {expected}: {outcome.statuses}")
    waited = await service.drained()
    _say(
        f"{kind} {connections} {'echo' if echo else 'service'}: {outcome.rate:.0f}/s, p99 {outcome.p99:.1f} ms, "
        f"generator at {outcome.cpu:.0%} of a core, {waited} events waited at the end"
    )
    return outcome


def _middle(measured: Sequence[float], ceilings: Sequence[float]) -> int:
    """The round whose ratio is the median: value and ceiling of one figure are then from the same seconds."""
    ratios = [value / ceiling for value, ceiling in zip(measured, ceilings, strict=True)]
    return ratios.index(median_high(ratios))


def _beside_echo(
    name: str, measured: Sequence[generator.Outcome], ceilings: Sequence[generator.Outcome]
) -> list[Figure]:
    """Rate and latencies of the middle round."""
    place = _middle([one.rate for one in measured], [one.rate for one in ceilings])
    value, ceiling = measured[place], ceilings[place]
    of = "echo, same requests"
    return [
        figure(name, value.rate, f"{_UNITS[name.partition('_')[0]]}/s", of, ceiling.rate),
        figure(f"{name}_p50", value.p50, "ms", of, ceiling.p50),
        figure(f"{name}_p99", value.p99, "ms", of, ceiling.p99),
    ]


async def _warm(stage: Stage, subjects: int, records_each: int, seconds: float) -> Service:
    """A service that has its connections, statements and caches, as one that runs for long."""
    if (subjects, records_each) in stage.services:
        return stage.services[subjects, records_each]
    _say(f"making {subjects * records_each:,} records")
    service = await stage.service(subjects, records_each)
    _say("warming up, not counted:")
    for kind in ("record", "check"):
        await _slice(stage, service, kind, 64, min(WARM_UP_S, seconds), echo=False)
    return service


async def _throughput(stage: Stage, kind: str, connections: int, seconds: float) -> list[Figure]:
    service = await _warm(stage, stage.subjects, RECORDS_EACH, seconds)
    name = f"{kind}_{connections}"
    measured: list[generator.Outcome] = []
    ceilings: list[generator.Outcome] = []
    inserts: list[float] = []
    for _ in range(ROUNDS):
        ceilings.append(await _slice(stage, service, kind, connections, seconds / ROUNDS, echo=True))
        if kind == "record":
            inserts.append(await stage.pgbench(connections, seconds / ROUNDS))
        measured.append(await _slice(stage, service, kind, connections, seconds / ROUNDS, echo=False))
    figures = _beside_echo(name, measured, ceilings)
    if inserts:
        place = _middle([one.rate for one in measured], inserts)
        value, of = measured[place].rate, "pgbench, one-row inserts"
        figures.append(figure(f"{name}_pgbench", value, "records/s", of, inserts[place]))
    return figures


async def _batch_check(stage: Stage, seconds: float) -> list[Figure]:
    service = await _warm(stage, stage.subjects, RECORDS_EACH, seconds)
    measured: list[generator.Outcome] = []
    ceilings: list[generator.Outcome] = []
    for _ in range(ROUNDS):
        for outcomes, echo in ((ceilings, True), (measured, False)):
            outcomes.append(
                await _slice(stage, service, "batch_check", BATCH_CONNECTIONS, seconds / ROUNDS, echo=echo)
            )
    rate, *latencies = _beside_echo("batch_check", measured, ceilings)
    answers = figure(
        rate.name, rate.value * BATCH_QUERIES, "answers/s", rate.ceiling_name, rate.ceiling * BATCH_QUERIES
    )
    return [answers, *latencies]


async def _event_latency(stage: Stage, rate: int, seconds: float) -> list[Figure]:
    service = await _warm(stage, stage.subjects, RECORDS_EACH, seconds)
    measured: list[latency.Outcome] = []
    ceilings: list[latency.Outcome] = []
    for round_ in range(ROUNDS):
        for outcomes, bare in ((ceilings, True), (measured, False)):
            plan = latency.Plan(
                port=service.served.port,
                token=service.token,
                people=await service.people(SUBJECTS_ASKED_MAX),
                bootstrap=stage.bootstrap,
                topic=f"bare-{rate}-{round_}" if bare else service.topic,
                rate=rate,
                seconds=seconds / ROUNDS,
                bare=bare,
            )
            outcomes.append(await stage.latency(plan))
            _say(f"{rate} events/s, {'producer alone' if bare else 'service'}: {outcomes[-1]}")
    place = _middle([one.p99 for one in measured], [one.p99 for one in ceilings])
    value, ceiling = measured[place], ceilings[place]
    of = "aiokafka producer, send to consumer"
    return [
        figure(f"event_latency_p50_{rate}", value.p50, "ms", of, ceiling.p50),
        figure(f"event_latency_p99_{rate}", value.p99, "ms", of, ceiling.p99),
    ]


async def _growth(stage: Stage, sizes: Sequence[tuple[str, str]], seconds: float) -> list[Figure]:
    """(kind, rows) like (`record`, `10k`), in turns with the echo, so that all stand beside the same minutes."""
    services = {}
    for rows in dict.fromkeys(rows for _, rows in sizes):
        services[rows] = await _warm(stage, _count(rows) // RECORDS_EACH, RECORDS_EACH, seconds)
    measured: dict[tuple[str, str], list[generator.Outcome]] = {size: [] for size in sizes}
    ceilings: dict[str, list[generator.Outcome]] = {kind: [] for kind, _ in sizes}
    for _ in range(ROUNDS):
        for kind, outcomes in ceilings.items():
            beside = next(iter(services.values()))
            outcomes.append(await _slice(stage, beside, kind, 64, seconds / ROUNDS, echo=True))
        for (kind, rows), outcomes in measured.items():
            _say(f"{rows} records at the beginning")
            outcomes.append(await _slice(stage, services[rows], kind, 64, seconds / ROUNDS, echo=False))
    return [
        _beside_echo(f"{kind}_{rows}_rows", outcomes, ceilings[kind])[0]
        for (kind, rows), outcomes in measured.items()
    ]


async def _memory(stage: Stage, rows: str) -> list[Figure]:
    """Resident after so many records through the service, beside what it takes before the first."""
    service = await stage.service(MEMORY_SUBJECTS, 0)
    before = service.served.resident_mb
    plan = generator.Plan(
        port=service.served.port,
        token=service.token,
        kind="record",
        people=await service.people(MEMORY_SUBJECTS),
        connections=64,
        seconds=MEMORY_S_MAX,
        requests_max=_count(rows),
    )
    outcome = await stage.load(plan)
    waited = await service.drained()
    _say(f"{rows} records at {outcome.rate:.0f}/s: {outcome.statuses}, {waited} events waited at the end")
    return [figure(f"memory_{rows}", service.served.resident_mb, "MB", "before the first record", before)]


def _count(rows: str) -> int:
    """`10k` is ten thousand, `1m` a million."""
    return int(rows[:-1]) * _SCALES[rows[-1]]


Measure = Callable[[Stage, float], Awaitable[list[Figure]]]

_FIRST_TAG: tuple[str, Measure] = "first tag", lambda stage, _: first_allowed_tag(stage)
_WITHOUT_SIZE: dict[str, tuple[str, Measure]] = {
    "gate_answers": ("gate_answers", gating.answers),
    "recipient_throughput": (
        "recipient_throughput",
        lambda stage, _: receive(stage, "recipient_throughput", EVENTS),
    ),
    "first_allowed_tag": _FIRST_TAG,
    "first_allowed_tag_p95": _FIRST_TAG,
}


_BY_SIZE: dict[str, Callable[[str, Stage, float], Awaitable[list[Figure]]]] = {
    r"memory_(\d+[km])": lambda size, stage, _: _memory(stage, size),
    r"gate_bootstrap_(\d+[km])": lambda size, stage, _: gating.bootstrap(stage, size, _count(size)),
    r"sweep_(\d+[km])(?:_people_p99)?": lambda size, stage, seconds: sweep(stage, _count(size), seconds),
    r"recipient_throughput_(\d+[km])": lambda size, stage, _: receive(
        stage, f"recipient_throughput_{size}", _count(size)
    ),
    r"verify_(\d+[km])(?:_memory)?": lambda size, stage, _: verify(stage, size, _count(size)),
}
"""What is measured for a name that matches, of the size that it names."""


def plan_measures(names: Sequence[str]) -> list[Measure]:
    """What has to be run for these names, each once, in this order. Raises ValueError for an unknown name."""
    measures: dict[str, Measure] = {}
    grown: list[tuple[str, str]] = []
    for name in names:
        if found := re.fullmatch(r"(record|check)_(\d+[km])_rows", name):
            grown.append((found[1], found[2]))
        else:
            key, measure = _measure(name)
            measures[key] = measure
    planned = list(measures.values())
    if grown:
        planned.append(lambda stage, seconds: _growth(stage, list(dict.fromkeys(grown)), seconds))
    return planned


def _measure(name: str) -> tuple[str, Measure]:
    """The measurement that brings this figure, and what it is the same as."""
    if found := re.fullmatch(r"(record|check|notice|site_post)_(\d+)(_p50|_p99|_pgbench)?", name):
        kind, connections = found[1], int(found[2])
        return f"{kind} {connections}", lambda stage, seconds: _throughput(stage, kind, connections, seconds)
    if re.fullmatch(r"batch_check(_p50|_p99)?", name):
        return "batch", _batch_check
    if found := re.fullmatch(r"event_latency(?:_p50|_p99)?_(\d+)", name):
        rate = int(found[1])
        return f"event {rate}", lambda stage, seconds: _event_latency(stage, rate, seconds)
    if found := re.fullmatch(r"relay_drain_(\d+)(_memory)?", name):
        relays = int(found[1])
        return f"drain {relays}", lambda stage, _: drain(stage, relays)
    if found := re.fullmatch(r"feed_(\d+)(_memory)?", name):
        readers = int(found[1])
        return f"feed {readers}", lambda stage, _: feed(stage, readers)
    if re.fullmatch(r"withdrawal(_acted|_proven)?(_p50|_p99)?", name):
        return "withdrawal", lambda stage, _: propagate(stage)
    if name in _WITHOUT_SIZE:
        return _WITHOUT_SIZE[name]
    if name == "gate_bytes_per_pair":
        name = "gate_bootstrap_1m"
    for pattern, measure in _BY_SIZE.items():
        if found := re.fullmatch(pattern, name):
            return f"{pattern} {found[1]}", partial(measure, found[1])
    raise ValueError(name)
