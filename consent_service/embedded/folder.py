"""The data folder of one engine, held by one owner at a time, and found again after a kill -9.

The folder has a lock file. Its owner (the process that starts the engine) locks it with flock and writes
who it is; the engine inherits the open file. So the lock is free exactly when the owner AND every process
of the engine are gone, whatever way they went: there is no stale lock to clean up. An owner that died
before its engine leaves the lock held by an orphan, which has been told to end (`launch`) and is waited for.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from consent_service.embedded.errors import AlreadyRunning, EngineError

ORPHAN_PATIENCE_S = 15.0
"""How long an orphan may take to end by itself before it is killed."""

POLL_S = 0.02
"""Between two looks at a process; what ends or begins cannot wake us in every case."""


class ProcessMark(NamedTuple):
    """A process that can be told from a later one with the same pid. `started` is seconds since the epoch."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        """The mark of a running process."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process while it lives; None once it ended, also while nobody has collected its exit code."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1.0
        except psutil.NoSuchProcess:
            return None
        return process if same and living(process) else None


class DataFolder:
    """Where one engine keeps its data; mode 0700 unless the engine runs under another user."""

    def __init__(self, engine: str, path: Path) -> None:
        self.engine = engine
        self.path = path
        self._lock: int | None = None

    @property
    def lock(self) -> int:
        """The open lock file, for the engine to inherit."""
        if self._lock is None:
            raise EngineError(f"{self.engine} does not hold {self.path}")
        return self._lock

    async def acquire(self) -> None:
        """Takes the folder, making it where it is not there. Raises AlreadyRunning when somebody has it."""
        if self._lock is not None:
            raise AlreadyRunning(self.engine, self.path, os.getpid())
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await self._wait_for_lock(lock)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        self.record_engine(None)

    def record_engine(self, engine_pid: int | None) -> None:
        """Writes down who holds the folder, for whoever asks next."""
        owner = ProcessMark.of(os.getpid())
        engine = None if engine_pid is None else ProcessMark.of(engine_pid)
        text = json.dumps({"owner": owner, "engine": engine})
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, text.encode(), 0)

    def release(self) -> None:
        """Gives the folder back; nothing happens when it is not held."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _wait_for_lock(self, lock: int) -> None:
        for _ in range(2):
            if await until(lambda: self._free_or_owned(lock), ORPHAN_PATIENCE_S):
                return
            _, engine = _holders(lock)
            if engine is None or engine.process() is None:
                break
            kill_all(tree(engine.pid))
        raise EngineError(f"{self.path / 'lock'} is held by an unknown process")

    def _free_or_owned(self, lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner, _ = _holders(lock)
            if owner is not None and owner.process() is not None:
                raise AlreadyRunning(self.engine, self.path, owner.pid) from None
            return False
        return True


async def until(condition: Callable[[], bool], patience_s: float) -> bool:
    """Looks again and again until the condition holds (True) or patience ends (False)."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while not (holds := condition()) and loop.time() < deadline:  # noqa: ASYNC110  there is no event to wait for
        await asyncio.sleep(POLL_S)
    return holds


def tree(pid: int) -> list[psutil.Process]:
    """The process and its living descendants; empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def living(process: psutil.Process) -> bool:
    """Whether it still runs; one that ended and whose exit code nobody has collected does not."""
    try:
        ended = process.status() == psutil.STATUS_ZOMBIE or not process.is_running()
    except psutil.NoSuchProcess:
        return False
    return not ended


def kill_all(processes: list[psutil.Process]) -> None:
    """SIGKILL to each; those that ended in the meantime are passed over."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _holders(lock: int) -> tuple[ProcessMark | None, ProcessMark | None]:
    text = os.pread(lock, 4096, 0)
    if not text:
        return None, None  # the holder has the lock and is about to write
    marks = json.loads(text)
    return tuple(None if marks[key] is None else ProcessMark(*marks[key]) for key in ("owner", "engine"))  # type: ignore[return-value]
