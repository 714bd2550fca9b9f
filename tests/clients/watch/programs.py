"""`consent-watch` as a child process, piped or on a terminal of its own."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

PATIENCE_S = 50.0
CLIENT = Path(__file__).parents[3] / "clients" / "python"


class Program:
    """A running one; `shown` is what it has written on its terminal or into its pipe so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._changed = asyncio.Condition()
        self.shown = ""
        self.complaints = ""

    async def until(self, happened: Callable[[str], bool]) -> str:
        """What is shown, as soon as it is so."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._changed:
                await self._changed.wait_for(lambda: happened(self.shown))
        except TimeoutError:
            raise AssertionError(f"never shown; shown is: {self.shown}{self.complaints}") from None
        return self.shown

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    async def take(self, text: str) -> None:
        async with self._changed:
            self.shown += text
            self._changed.notify_all()

    async def clear(self) -> None:
        """End what a failed test left running."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Piped, to its end: the exit code, and what it wrote on its outputs."""
    process = await _start(arguments, environment, asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE_S):
        shown, complaints = await process.communicate()
    assert process.returncode is not None
    return process.returncode, shown.decode(), complaints.decode()


@asynccontextmanager
async def on_terminal(*arguments: str, **environment: str) -> AsyncIterator[Program]:
    """On a terminal that shows both of its outputs."""
    ours, theirs = pty.openpty()
    process = await _start(arguments, environment, theirs, theirs)
    os.close(theirs)
    program = Program(process)
    gathering = asyncio.create_task(_gather(ours, program))
    try:
        yield program
    finally:
        await program.clear()
        await gathering
        os.close(ours)


async def _gather(terminal: int, program: Program) -> None:
    while True:
        try:
            piece = await asyncio.to_thread(os.read, terminal, 65_536)
        except OSError:
            return  # The other side is closed.
        if not piece:
            return
        await program.take(piece.decode(errors="replace"))


async def _start(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    output: int,
    errors: int = asyncio.subprocess.PIPE,
) -> asyncio.subprocess.Process:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CONSENT_") and name != "NO_COLOR"
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "consent_client.watch",
        *arguments,
        env={**inherited, "PYTHONPATH": str(CLIENT), "TERM": "xterm", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
    )
