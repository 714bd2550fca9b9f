"""An engine whose owner is killed: a process that starts one, for tests that kill -9 it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

OWNER = """
import asyncio, sys
from pathlib import Path
from consent_service.embedded import KafkaServer, PostgresServer

async def own(kind, folder, cache):
    if kind == "postgres":
        server = PostgresServer(Path(folder), fsync=False)
    else:
        server = KafkaServer(Path(folder), cache_dir=Path(cache) if cache else None)
    async with server:
        print(server.pid, flush=True)
        await server.wait()

asyncio.run(own(*sys.argv[1:]))
"""


class Owner(NamedTuple):
    """A process that holds a folder, and the engine's main process that it started."""

    process: subprocess.Popen[str]
    engine_pid: int

    def kill(self) -> None:
        """kill -9, its exit code collected."""
        self.process.kill()
        self.process.wait()


@contextmanager
def owner_of(kind: str, folder: Path, cache_dir: Path | None = None) -> Iterator[Owner]:
    """Starts `postgres` or `kafka` on the folder in a process of its own; kills that one in the end."""
    command = [sys.executable, "-c", OWNER, kind, str(folder), str(cache_dir or "")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        owner = Owner(process, 0)
        try:
            assert process.stdout is not None
            yield Owner(process, int(process.stdout.readline()))
        finally:
            owner.kill()
