"""Rows for a person at a terminal, or as JSON lines for another program."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence

import msgspec


def print_lines(rows: Sequence[msgspec.Struct]) -> None:
    """One JSON document a line, field for field."""
    for row in rows:
        print(msgspec.json.encode(row).decode())


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, two blanks between."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@contextlib.contextmanager
def as_far_as_it_is_read() -> Iterator[None]:
    """Nothing is wrong where the reader, `head` perhaps, has had enough."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer would fail once more at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
