"""Figures: what they hold, how they are printed, and the file in which runs can be compared."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import msgspec
import psutil


class Figure(msgspec.Struct, frozen=True):
    """`ratio` is value by ceiling: of a rate the share that was reached, of a time or a size how many times as much."""

    name: str
    value: float
    unit: str
    ceiling_name: str
    ceiling: float
    ratio: float
    machine: str
    date: str


def figure(name: str, value: float, unit: str, ceiling_name: str, ceiling: float) -> Figure:
    return Figure(
        name=name,
        value=_rounded(value),
        unit=unit,
        ceiling_name=ceiling_name,
        ceiling=_rounded(ceiling),
        ratio=_rounded(value / ceiling) if ceiling else 0.0,
        machine=machine(),
        date=date.today().isoformat(),  # noqa: DTZ011 - the day where it was measured
    )


def machine() -> str:
    """Cores, memory, processor and system."""
    gigabytes = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {gigabytes:.0f} GB, {_processor()}, {platform.system()} {platform.machine()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown processor"
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def table(figures: Sequence[Figure]) -> str:
    """Aligned: names to the left, numbers to the right."""
    rows = [("name", "value", "unit", "ceiling", "of", "ratio")]
    rows += [
        (one.name, f"{one.value:,g}", one.unit, f"{one.ceiling:,g}", one.ceiling_name, f"{one.ratio:.3f}")
        for one in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    left = (0, 2, 4)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def keep(path: Path, figures: Sequence[Figure]) -> None:
    """Put these figures into the file, in the place of older ones of their names; the others stay as they are."""
    kept = {one.name: one for one in read(path)} | {one.name: one for one in figures}
    aside = path.with_suffix(".new")
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(list(kept.values())), indent=1) + b"\n")
    aside.rename(path)


def read(path: Path) -> list[Figure]:
    return msgspec.json.decode(path.read_bytes(), type=list[Figure]) if path.exists() else []
