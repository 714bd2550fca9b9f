"""As whom PostgreSQL runs: it refuses root, so root gets an identity that it accepts.

First choice is a user namespace: outside it the process stays root's, so no folder changes hands and no
account is made. Where the system forbids namespaces (containers, mostly) PostgreSQL runs as the user
nobody, owns its data folder, and the folders above are opened for traversal.
"""

from __future__ import annotations

import functools
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Identity = Literal["same", "namespace", "nobody"]

ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""All that an engine is told: PGPORT, KAFKA_OPTS, JAVA_TOOL_OPTIONS would change what was asked for."""

LAUNCHER = Path(__file__).with_name("launch.py")


def launched(identity: Identity, end_signal: int, command: list[str]) -> list[str]:
    """The command that starts `command` through the launcher, tied to this process's life."""
    python = [sys.executable, "-I", "-S", str(LAUNCHER)]
    return [*python, str(os.getpid()), str(end_signal), identity, *command]


def run_to_end(identity: Identity, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program of an engine that ends by itself; it ends with us, should we die meanwhile."""
    return subprocess.run(
        launched(identity, signal.SIGTERM, command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=ENVIRONMENT,
        start_new_session=True,
    )


@functools.cache
def unprivileged(program: Path) -> Identity:
    """The identity to run `program` under so that it is not root; tried out once by running it."""
    if os.geteuid() != 0:
        return "same"
    trial = launched("namespace", 0, [str(program), "--version"])
    namespaces = subprocess.run(trial, capture_output=True, check=False)
    return "namespace" if namespaces.returncode == 0 else "nobody"


def give(identity: Identity, path: Path) -> None:
    """Makes `path` and all in it belong to whom the identity is, where that is not so already."""
    if os.geteuid() != 0:
        return
    user, group = (_nobody()) if identity == "nobody" else (os.geteuid(), os.getegid())
    if path.stat().st_uid == user:
        return
    for entry in (path, *path.rglob("*")):
        os.chown(entry, user, group, follow_symlinks=False)


def open_for_traversal(identity: Identity, path: Path, progress: Callable[[str], None]) -> None:
    """Lets nobody walk to `path`: adds the right to traverse (not to list) to the folders that lack it."""
    if identity != "nobody":
        return
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            progress(f"opening {folder} for traversal, since PostgreSQL refuses to run as root")
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid
