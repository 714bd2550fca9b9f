"""`python -m tests.chromium`, which `make test` runs: a browser that is there is taken, one that is missing installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chromium import MISSING
from tests.processes import ROOT

APT = """#!/bin/sh
PATH=/usr/bin:/bin
echo "$@" >> "$(dirname "$0")/asked"
if [ "$1" = install ]; then printf '#!/bin/sh\\n' > "$(dirname "$0")/chromium"; fi
chmod +x "$(dirname "$0")/chromium" 2>/dev/null
exit $(cat "$(dirname "$0")/exit")
"""


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can install packages")


def run(path: Path) -> str:
    """What it says where nothing but the programs of this folder can be found."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chromium"],
        env={"PATH": str(path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.strip()


def program(path: Path, name: str, content: str = "#!/bin/sh\n") -> None:
    (path / name).write_text(content)
    (path / name).chmod(0o755)


def test_a_chromium_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    program(tmp_path, "chromium")
    program(tmp_path, "apt-get", APT)

    assert run(tmp_path) == ""
    assert not (tmp_path / "asked").exists()


@as_root
def test_root_gets_debians_package(tmp_path: Path) -> None:
    program(tmp_path, "apt-get", APT)
    (tmp_path / "exit").write_text("0")

    assert run(tmp_path) == "installing Debian's package chromium"
    assert (tmp_path / "asked").read_text() == "update\ninstall --yes --no-install-recommends chromium\n"


@as_root
def test_an_installation_that_fails_says_what_to_do(tmp_path: Path) -> None:
    program(tmp_path, "apt-get", APT)
    (tmp_path / "exit").write_text("100")

    assert run(tmp_path).splitlines()[-1] == MISSING


def test_without_apt_it_says_what_to_do(tmp_path: Path) -> None:
    assert run(tmp_path) == MISSING
