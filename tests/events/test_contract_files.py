"""The proto files: lint-clean, never broken, and what is generated from them is what is committed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ("consent_service/events/wire/pb", "clients/python/consent_client/wire/pb")


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


@pytest.mark.parametrize(
    ("field", "number", "message"),
    [
        ("  uint64 sequence = 4;\n", 4, "ConsentChange"),
        ("  optional string merged_into = 14;\n", 14, "ConsentState"),
        ("  google.protobuf.Duration oldest_unpublished = 4;\n", 4, "Heartbeat"),
        ("  bool linked = 6;\n", 6, "IdentifierChanged"),
    ],
)
def test_the_check_for_breaking_changes_sees_a_removed_field(
    tmp_path: Path, field: str, number: int, message: str
) -> None:
    agreed = (ROOT / "proto" / "consent" / "v1" / "events.proto").read_text()
    changed = tmp_path / "proto" / "consent" / "v1" / "events.proto"
    changed.parent.mkdir(parents=True)
    changed.write_text(agreed.replace(field, ""))
    (tmp_path / "buf.yaml").write_text((ROOT / "buf.yaml").read_text())

    complaint = buf("breaking", str(tmp_path), "--against", "tests/contracts/events.binpb")

    name = field.split()[-3]
    assert f'field "{number}" with name "{name}" on message "{message}" was deleted' in complaint


def test_it_is_compared_with_the_last_release_and_before_the_first_with_main(tmp_path: Path) -> None:
    told = tmp_path / "told.mk"
    told.write_text("told:\n\t@echo $(BASE)\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "GIT_"))}
    environment.pop("BASE", None)

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def git(*arguments: str) -> str:
        return run("git", "-c", "user.name=Anna", "-c", "user.email=anna@example.com", *arguments)

    def base() -> str:
        return run("make", "--no-print-directory", "-f", str(ROOT / "Makefile"), "-f", str(told), "told")

    git("init", "--quiet", "--initial-branch=main")
    git("commit", "--quiet", "--allow-empty", "--message=first")
    assert base() == git("rev-parse", "main")
    git("tag", "nightly")
    assert base() == git("rev-parse", "main")
    git("tag", "v0.9.0")
    git("checkout", "--quiet", "-b", "work")
    git("commit", "--quiet", "--allow-empty", "--message=second")
    assert base() == "v0.9.0"
    git("tag", "v0.10.0")
    git("commit", "--quiet", "--allow-empty", "--message=third")
    assert base() == "v0.10.0"
    git("checkout", "--quiet", "main")
    assert base() == "v0.9.0"


def test_the_generated_code_is_fresh(tmp_path: Path) -> None:
    template = (ROOT / "buf.gen.yaml").read_text().replace(".venv/bin/python", sys.executable)
    (tmp_path / "buf.gen.yaml").write_text(template)

    assert buf("generate", "--template", str(tmp_path / "buf.gen.yaml"), "--output", str(tmp_path)) == ""

    for folder in GENERATED:
        made, committed = code(tmp_path / folder), code(ROOT / folder)
        assert committed.keys() == made.keys() != set()
        for name, text in made.items():
            assert committed[name] == text, f"{folder}/{name}: run `make proto`"
