"""The proto files: lint-clean, never broken, and what is generated from them is what is committed."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "consent_service" / "events" / "pb"


def buf(*arguments: str) -> str:
    """What buf has to say; empty where it is content."""
    program = Path(sysconfig.get_path("scripts")) / "buf"
    run = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def code(folder: Path) -> dict[str, str]:
    """The generated modules and stubs by their place in the folder."""
    files = [path for ending in ("py", "pyi") for path in folder.rglob(f"*_pb2.{ending}")]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_buf_lint_is_content() -> None:
    assert buf("lint") == ""


def test_buf_format_would_change_nothing() -> None:
    assert buf("format", "--diff") == ""


def test_nothing_that_was_agreed_is_broken() -> None:
    assert buf("breaking", "--against", "tests/contracts/events.binpb") == ""


def test_the_check_for_breaking_changes_sees_a_removed_field(tmp_path: Path) -> None:
    agreed = (ROOT / "proto" / "consent" / "v1" / "events.proto").read_text()
    changed = tmp_path / "proto" / "consent" / "v1" / "events.proto"
    changed.parent.mkdir(parents=True)
    changed.write_text(agreed.replace("  uint64 sequence = 4;\n", ""))
    (tmp_path / "buf.yaml").write_text((ROOT / "buf.yaml").read_text())

    complaint = buf("breaking", str(tmp_path), "--against", "tests/contracts/events.binpb")

    assert 'field "4" with name "sequence" on message "ConsentChange" was deleted' in complaint


def test_the_generated_code_is_fresh(tmp_path: Path) -> None:
    template = (ROOT / "buf.gen.yaml").read_text().replace(".venv/bin/python", sys.executable)
    (tmp_path / "buf.gen.yaml").write_text(template)

    assert buf("generate", "--template", str(tmp_path / "buf.gen.yaml"), "--output", str(tmp_path)) == ""

    made, committed = code(tmp_path / "consent_service" / "events" / "pb"), code(GENERATED)
    assert committed.keys() == made.keys() != set()
    for name, text in made.items():
        assert committed[name] == text, f"{name}: run `make proto`"
