"""The launcher: nothing is started for a parent that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from consent_service.embedded.identity import LAUNCHER


def launch(parent: int, *command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-I", "-S", str(LAUNCHER), str(parent), str(int(signal.SIGTERM)), "same"]
    return subprocess.run([*arguments, *command], capture_output=True, text=True, check=False)


def test_the_command_is_executed_for_a_living_parent() -> None:
    done = launch(os.getpid(), sys.executable, "-c", "print('here')")
    assert (done.returncode, done.stdout) == (0, "here\n")


def test_nothing_is_executed_when_the_parent_is_already_gone() -> None:
    done = launch(os.getppid(), sys.executable, "-c", "print('here')")
    assert (done.returncode, done.stdout) == (120, "")


def test_a_command_that_is_not_there_is_said() -> None:
    done = launch(os.getpid(), "/no/such/engine")
    assert done.returncode == 120
    assert "/no/such/engine: [Errno 2] No such file" in done.stderr
