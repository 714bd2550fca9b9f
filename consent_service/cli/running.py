"""Where the service of a data folder is found while it runs: `running.json`, for other commands on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from consent_service.settings import Settings

_FILE = "running.json"


class Running(msgspec.Struct, frozen=True):
    """A service that answers at `url`, what development tokens for it are made from, and the settings it runs with.

    `environment` lets other commands of this machine (token, catalogue load, ledger verify) speak to the same servers.
    """

    pid: int
    url: str
    kafka_bootstrap: str | None
    token_issuer: str
    token_audience: str
    development_key: str | None
    environment: dict[str, str] = {}


@contextmanager
def announced(data_dir: Path, settings: Settings, url: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Say in the data folder, readable by its owner alone, where this process serves; take it back at the end.

    Requests may be sent at once; the first may have to wait for the service to accept.
    """
    path = data_dir / _FILE
    key = settings.development_key
    running = Running(
        pid=os.getpid(),
        url=url,
        kafka_bootstrap=settings.kafka_bootstrap,
        token_issuer=settings.token_issuer,
        token_audience=settings.token_audience,
        development_key=None if key is None else str(Path(key).absolute()),
        environment={name: value for name, value in environment.items() if name.startswith("CONSENT_")},
    )
    aside = path.with_suffix(".new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(running))
    aside.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find_running(data_dir: Path, pid: int) -> Running | None:
    """What the process that holds the data folder says; None while it says nothing.

    A file that another process left behind, killed before it could take it back, does not count.
    """
    try:
        running = msgspec.json.decode((data_dir / _FILE).read_bytes(), type=Running)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return running if running.pid == pid else None


def settings_beside(environment: Mapping[str, str], data_dir: Path) -> dict[str, str]:
    """The environment; where it names no database, with the settings of the service that runs on the data folder."""
    if "CONSENT_DATABASE_URL" in environment:
        return dict(environment)
    try:
        running = msgspec.json.decode((data_dir / _FILE).read_bytes(), type=Running)
        os.kill(running.pid, 0)
    except (OSError, msgspec.DecodeError):
        return dict(environment)
    return {**running.environment, **environment}
