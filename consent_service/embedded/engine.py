"""Starting, watching and stopping one engine; PostgreSQL and Kafka say only what differs."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import psutil

from consent_service.embedded.errors import EngineError, EngineFailed, PortTaken
from consent_service.embedded.folder import POLL_S, DataFolder, kill_all, living, tree, until
from consent_service.embedded.identity import ENVIRONMENT, Identity, launched
from consent_service.embedded.ports import HOST, demand_free, free_port

Progress = Callable[[str], None]
"""Told, in a few words, what is being done; may be called often, shows nothing by itself."""

KILL_PATIENCE_S = 5.0
LAST_LINES = 25
PORT_TRIES = 5
LOG_BYTES_MAX = 10_000_000


def silent(_message: str) -> None:
    """Progress that nobody wants to see."""


class Engine(ABC):
    """A real server in a child process, its data in a folder that survives.

    Use as `async with`, or `start` and `stop`. One object is one owner of the folder: it holds the
    folder from `start` to `stop`, also while the engine is killed, so that `restart` finds the same
    data on the same port. Not tied to an event loop: start in one, stop in another.
    """

    name: ClassVar[str]
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]]
    """What ends the engine in an orderly way: signals, each with the seconds it is given. Then SIGKILL."""
    start_patience_s: ClassVar[float] = 60.0

    def __init__(self, data_dir: Path, port: int | None, progress: Progress | None) -> None:
        self.data_dir = data_dir.resolve()
        self.host = HOST
        self.progress = progress or silent
        self._port = port
        self._folder = DataFolder(self.name, self.data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._paused: list[psutil.Process] = []

    @abstractmethod
    async def _prepare(self) -> None:
        """Makes what the first start needs; leaves what is there. The folder is held."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command that runs the engine in the foreground."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether the engine accepts work, by its own protocol, now."""

    def _identity(self) -> Identity:
        return "same"

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; known from the first start on and the same ever after."""
        if self._port is None:
            raise EngineError(f"{self.name} has no port before it starts")
        return self._port

    @property
    def pid(self) -> int | None:
        """The engine's main process, or None while it does not run."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the engine's main process lives (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    @property
    def log_file(self) -> Path:
        """Where the engine's warnings go; the one before is kept beside it as `.1`."""
        return self.data_dir / f"{self.name.lower()}.log"

    async def start(self) -> None:
        """Starts the engine and comes back when it accepts work.

        Raises AlreadyRunning, PortTaken, EngineMissing, EngineFailed; nothing is left running then.
        """
        await self._folder.acquire()
        try:
            await (self._start_anywhere() if self._port is None else self._start_here())
        except BaseException:
            self._folder.release()
            raise

    async def _start_here(self) -> None:
        demand_free(self.name, self.port)
        await self._prepare()
        await self._run()

    async def _start_anywhere(self) -> None:
        """A free port may be taken by somebody else before the engine has it; then another will do."""
        for tries_left in reversed(range(PORT_TRIES)):
            self._port = free_port()
            try:
                await self._start_here()
            except PortTaken:
                if not tries_left:
                    raise
            else:
                return

    async def stop(self) -> None:
        """Ends the engine in an orderly way and gives the folder back; nothing happens when it is stopped."""
        try:
            await self._end()
        finally:
            self._folder.release()

    async def restart(self) -> None:
        """Ends the engine if it runs and starts it again: same data, same port."""
        await self._end()
        await self._run()

    async def kill(self) -> None:
        """What a power cut does to the processes: SIGKILL to all of them. The folder stays held."""
        family = self._kill_now()
        self._paused = []
        await until(lambda: not any(living(member) for member in family), KILL_PATIENCE_S)

    def pause(self) -> None:
        """Freezes the engine: it holds its connections and answers nothing."""
        if not self.running or self._process is None:
            raise EngineError(f"{self.name} does not run")
        self._paused = tree(self._process.pid)
        for member in self._paused:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.suspend()

    def resume(self) -> None:
        """Lets a paused engine go on; nothing happens when it is not paused."""
        for member in self._paused:
            # One that goes on may end another before its turn comes.
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()
        self._paused = []

    async def wait(self) -> int:
        """Waits until the engine ends, whoever ended it. The exit code, or minus the signal."""
        if self._process is None:
            raise EngineError(f"{self.name} was not started")
        await until(lambda: not self.running, math.inf)
        return self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _run(self) -> None:
        demand_free(self.name, self.port)
        self.progress(f"starting {self.name} on {self.host}:{self.port}")
        self._process = self._launch()
        try:
            self._folder.record_engine(self._process.pid)
            await self._wait_until_ready()
        except BaseException:
            self._kill_now()
            raise

    def _launch(self) -> subprocess.Popen[bytes]:
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        command = launched(self._identity(), self.stop_signals[0][0], self._command())
        # A session of its own: Ctrl-C in the terminal reaches the owner, which stops things in order.
        with open(self.log_file, "ab", opener=_owner_only) as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data_dir,
                env=ENVIRONMENT,
                start_new_session=True,
                pass_fds=(self._folder.lock,),
            )

    async def _wait_until_ready(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.start_patience_s
        while True:
            if self._process is None or (code := self._process.poll()) is not None:
                raise EngineFailed(f"{self.name} ended while starting (exit code {code})", *self._log_tail())
            if await self._answers():
                return
            if loop.time() > deadline:
                problem = f"{self.name} did not accept work within {self.start_patience_s:.0f} s"
                raise EngineFailed(problem, *self._log_tail())
            await asyncio.sleep(POLL_S)

    def _log_tail(self) -> tuple[Path, str]:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return self.log_file, "\n".join(lines[-LAST_LINES:])

    async def _end(self) -> None:
        self.resume()
        if self._process is None:
            return
        try:
            for number, patience_s in self.stop_signals:
                if self.running:
                    self._process.send_signal(number)
                    await until(lambda: not self.running, patience_s)
        finally:
            # Also when the wait was cancelled: nothing is left behind.
            self._kill_now()

    def _kill_now(self) -> list[psutil.Process]:
        # Children first become known, then die: once their parent is gone nobody knows them.
        if self._process is None or not self.running:
            return []
        family = tree(self._process.pid)
        kill_all(family)
        self._process.wait()
        return family[1:]


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
