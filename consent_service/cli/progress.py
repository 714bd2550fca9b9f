"""Telling a person at a terminal what is being done, and for how long already."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

_TICK_S = 1.0
_LINE_EVERY_S = 10.0


class Progress:
    """Prints each step once; on a terminal the seconds are counted behind a step that takes more than one.

    Without a terminal a step is a plain line. Use as a context manager: the last step ends with it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._counts = self._stream.isatty()
        self._lock = threading.Lock()
        self._step = ""
        self._since = 0.0
        self._done = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        if self._counts:
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._counts:
            self._ticker.join()
        with self._lock:
            self._finish()

    def __call__(self, step: str) -> None:
        """A new step begins; the one before is over."""
        with self._lock:
            self._finish()
            self._step = step
            self._since = time.monotonic()
            self._stream.write(f"  {step}" if self._counts else f"  {step}\n")
            self._stream.flush()

    def _finish(self) -> None:
        if self._step and self._counts:
            self._stream.write("\n")
            self._stream.flush()
        self._step = ""

    def _tick(self) -> None:
        while not self._done.wait(_TICK_S):
            with self._lock:
                seconds = int(time.monotonic() - self._since)
                if self._step and seconds:
                    self._stream.write(f"\r  {self._step} ({seconds} s)")
                    self._stream.flush()


class Walked:
    """How far something long is, told once it takes more than a second.

    On a terminal that is one line, written anew each second; elsewhere a line every ten seconds.
    """

    def __init__(
        self, stream: TextIO, *, quiet: bool = False, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._seconds = seconds
        self._terminal = stream.isatty()
        self._next = float("inf") if quiet else seconds() + _TICK_S
        self._width = 0

    def __call__(self, text: str) -> None:
        if self._seconds() < self._next:
            return
        self._next = self._seconds() + (_TICK_S if self._terminal else _LINE_EVERY_S)
        # What is left of a longer line is blanked.
        self._stream.write(f"\r  {text:<{self._width}}" if self._terminal else f"  {text}\n")
        self._stream.flush()
        self._width = len(text) if self._terminal else 0

    def end(self) -> None:
        """Leave the line that is written anew, so that something else can be written."""
        if self._width:
            self._stream.write("\n")
            self._stream.flush()
            self._width = 0
