"""How the demo looks: plain lines of at most 80 columns; colour only on a terminal that wants it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TextIO

WIDTH = 80

_BOLD, _DIM, _GREEN, _YELLOW = "1", "2", "32", "33"


class View:
    """Writes the story, each piece at once. Times are seconds and shown as milliseconds."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._stream = stream
        self._colour = colour

    def title(self, text: str) -> None:
        self._write(self._painted(text, _BOLD), "")

    def text(self, text: str) -> None:
        """A paragraph."""
        self._write(*textwrap.wrap(text, WIDTH), "")

    def facts(self, facts: Mapping[str, str]) -> None:
        """Names and values, below each other."""
        width = max(map(len, facts))
        self._write(*(f"  {name:<{width}}   {value}" for name, value in facts.items()), "")

    def act(self, sentence: str) -> None:
        """What a person does."""
        self._write(f"  {self._painted(sentence, _BOLD)}")

    def moment(self, after_s: float, words: str) -> None:
        """What happened, so long after the person asked."""
        self._write(f"{milliseconds(after_s):>13}   {words}")

    def reaction(
        self, after_s: float, after_answer_s: float, recipient: str, words: str, *, processes: bool
    ) -> None:
        """What a recipient did, and how long after the service had answered."""
        told = f"{recipient + ':':<23} {words}"
        padded = self._painted(f"{told:<51}", _GREEN if processes else _YELLOW)
        self._write(f"{milliseconds(after_s):>13}   {padded} {after_answer_s * 1000:>+8.1f} ms")

    def gap(self) -> None:
        self._write("")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as their widest cell."""
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        self._write(self._painted(_row(header, widths), _DIM))
        self._write(*(_row(row, widths) for row in rows), "")

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text

    def _write(self, *lines: str) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """On a terminal that can, unless NO_COLOR is set to anything."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def milliseconds(seconds: float) -> str:
    """12.3 ms"""
    return f"{seconds * 1000:.1f} ms"


def shortened(text: str, width: int) -> str:
    """The text, cut where it is longer."""
    return text if len(text) <= width else text[: width - 3] + "..."


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return ("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))).rstrip()
