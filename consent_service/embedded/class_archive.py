"""Makes Java's class archive for the broker (`java`): a broker is run once to see which classes it needs."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from consent_service.embedded.engine import Progress
from consent_service.embedded.errors import EngineFailed
from consent_service.embedded.identity import run_to_end
from consent_service.embedded.jars import locked_jars, verified_jars
from consent_service.embedded.java import Java
from consent_service.embedded.kafka import KafkaServer


class Rehearsal(KafkaServer):
    """A broker that notes the classes it needs, in `classes` in its data folder, when it ends."""

    def _java_options(self) -> tuple[str, ...]:
        return (f"-XX:DumpLoadedClassList={self.data_dir / 'classes'}",)


async def make_class_archive(cache_dir: Path, progress: Progress) -> Path:
    """The archive's path; made where it is not there yet. EngineFailed when Java does not manage."""
    jars = await asyncio.to_thread(verified_jars, cache_dir, locked_jars(), progress)
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix="archive-") as name:
        folder = Path(name)
        java = Java(jars, folder)
        if java.archive.exists():
            return java.archive
        progress("preparing Java's class archive for Kafka, once")
        async with Rehearsal(folder / "kafka", cache_dir=cache_dir):
            pass
        unfinished = folder / "archive"
        options = (
            "-Xshare:dump",
            "-Xlog:disable",
            f"-XX:SharedClassListFile={folder / 'kafka' / 'classes'}",
            f"-XX:SharedArchiveFile={unfinished}",
        )
        made = await asyncio.to_thread(run_to_end, "same", java.command(options=options), folder)
        if made.returncode != 0 or not unfinished.exists():
            raise EngineFailed("Java made no class archive", Path("its output"), made.stdout + made.stderr)
        unfinished.replace(java.archive)
    return java.archive
