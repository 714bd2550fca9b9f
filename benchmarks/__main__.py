"""`python -m benchmarks [names...]`: measure, print a table, keep the figures (benchmarks/README.md)."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from benchmarks.figures import Figure, keep, machine, table
from benchmarks.measures import DEFAULT, Measure, plan_measures
from benchmarks.stage import staged

RESULTS = Path(__file__).with_name("results.json")
SECONDS = 7.5
SUBJECTS = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="Measure each path beside the figure it is compared with."
    )
    parser.add_argument("names", nargs="*", default=list(DEFAULT), help="figures; see benchmarks/README.md")
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        help=f"for which each side of a comparison is measured, over all its rounds; default {SECONDS}",
    )
    parser.add_argument(
        "--subjects",
        type=int,
        default=SUBJECTS,
        help=f"persons that a database begins with, where the figure names no size; default {SUBJECTS}",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file that keeps the figures")
    arguments = parser.parse_args()
    try:
        measures = plan_measures(arguments.names)
    except ValueError as error:
        parser.error(f"there is no figure {error}; there are: {', '.join((*DEFAULT, 'memory_1m'))}")
    # It warns of each partition whose leader is not known yet, which a topic that was just made has many of.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    print(f"{machine()}; load before: {os.getloadavg()[0]:.2f}", file=sys.stderr)
    figures = asyncio.run(_run(measures, arguments.seconds, arguments.subjects, arguments.results))
    print(table(figures))
    print(f"kept in {arguments.results}; what each figure means: benchmarks/README.md", file=sys.stderr)
    return 0


async def _run(measures: list[Measure], seconds: float, subjects: int, results: Path) -> list[Figure]:
    """Kept after each measurement, so that one that fails takes none with it."""
    figures: list[Figure] = []
    async with staged(subjects) as stage:
        for measure in measures:
            measured = await measure(stage, seconds)
            keep(results, measured)
            figures += measured
    return figures


if __name__ == "__main__":
    sys.exit(main())
