"""`make audit`: ask OSV, the database of known weaknesses, about every package that the lock files hold.

uv asks; `uv audit` by itself would ask about what it resolves anew, which need not be what is locked. So it is given the
locks as the requirements of a script. What is not asked about: Kafka's jars and the tests' npm packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

_UV = Path(sysconfig.get_path("scripts")) / "uv"
#: The development lock holds what the service needs and more; asked apart, it is told whom a weakness concerns.
_LOCKS = ("requirements.lock", "requirements-dev.lock")
#: What uv ends with where it found no weakness, some, or could not ask.
SOUND, WEAK, NOT_ASKED = range(3)


def audit(lock: Path, arguments: Sequence[str] = ()) -> int:
    """Asks about one lock and prints what is known; `arguments` go to `uv audit`. Returns how uv ended."""
    sys.stdout.write(f"{lock.name}:\n")
    sys.stdout.flush()
    with TemporaryDirectory() as folder:
        script = Path(folder) / "locked.py"
        script.write_text(_script(lock.read_text()))
        command = [str(_UV), "audit", "--preview-features", "audit", "--script", str(script), *arguments]
        ended = subprocess.run(command, check=False, cwd=folder).returncode
    if ended not in (SOUND, WEAK):
        sys.stderr.write(
            f"{lock.name} was NOT audited. This needs a network: to the package index, whose metadata uv reads, and to "
            "the database of OSV, or to a mirror of it (ARGS='--service-url https://...').\n"
        )
    return ended


def _script(lock: str) -> str:
    """A script of nothing but its requirements (PEP 723)."""
    pins = [line.removesuffix(" \\") for line in lock.splitlines() if line and not line.startswith(" ")]
    listed = "".join(f"#   {json.dumps(pin)},\n" for pin in pins)
    return f'# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n{listed}# ]\n# ///\n'


if __name__ == "__main__":
    sys.exit(max([audit(Path(lock), sys.argv[1:]) for lock in _LOCKS]))
