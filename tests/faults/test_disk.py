"""The disk under PostgreSQL is full: that is said, nothing is half recorded, and with room again it goes on."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_service.embedded import KafkaServer, PostgresServer
from tests.databases import make_template
from tests.faults.load import Load
from tests.faults.stage import set_stage
from tests.soak import soak

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not soak(False, True), reason="a disk is filled in `make soak` alone"),
]
_log = logging.getLogger(__name__)

DISK_MB = 256
CHUNK = bytes(1 << 16)
FULL_TIMES = 5
CLIENTS = 16
PAUSE_S = 0.02
BETWEEN = 150


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of this test's own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0755", "consent-test", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no file system can be mounted here: there is no `mount`")
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607  whichever is there


@pytest.mark.timeout(900)
async def test_R25_a_full_disk_is_said_and_goes_on_when_there_is_room(
    disk: Path, kafka: KafkaServer, tmp_path: Path
) -> None:
    async with PostgresServer(disk / "postgres") as postgres:
        await make_template(postgres)
        async with set_stage(postgres, kafka.bootstrap, tmp_path) as stage:
            service = await stage.start()
            load = Load([stage.url], stage.token, await stage.persons(), seed=28)
            async with load.running(CLIENTS, pause_s=PAUSE_S):
                for time in range(FULL_TIMES):
                    await load.more(BETWEEN)
                    filler = fill(disk)
                    await load.refused(CLIENTS)
                    filler.unlink()
                    ended = not postgres.running
                    if ended:  # where it cannot write its log it gives up, and its supervisor starts it again
                        await postgres.restart()
                    await load.more(BETWEEN)
                    _log.info(
                        "full %d of %d, PostgreSQL ended: %s, %s", time + 1, FULL_TIMES, ended, load.statuses
                    )

            await stage.holds(load)
            assert await service.process.stop() == 0


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as opened:
        try:
            while True:
                opened.write(CHUNK)
        except OSError:
            usage = os.statvfs(disk)
            _log.info("%d blocks are left", usage.f_bavail)
    return filler
