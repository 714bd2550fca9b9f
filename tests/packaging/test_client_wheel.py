"""The client as a wheel of its own, built without a network and tried where nothing else is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.compose import ROOT

SOURCE = ROOT / "clients" / "python"
#: The clean environment knows nothing of the checkout or of this one.
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}

USER = """
from uuid import UUID
from consent_client import ConsentClient, SyncConsentClient
from consent_client.model import Change
from consent_client.words import Command

async def stop_mailing(client: ConsentClient) -> UUID | None:
    person = await client.resolve("email", "kari@example.org")
    if person is None:
        return None
    recorded = await client.command(person, "newsletter", Command.WITHDRAW, source="newsletter")
    if recorded.permission.allowed:
        raise ValueError
    last: Change | None = None
    async for _, told in client.changes():
        if isinstance(told, Change):
            last = told
    return last.record_id if last else None

def names(client: SyncConsentClient) -> list[str]:
    return [purpose.purpose for purpose in client.purposes()]
"""
MISUSE = """
from consent_client import SyncConsentClient

def names(client: SyncConsentClient) -> list[int]:
    client.purpose("newsletter", 1)
    return [purpose.purpose for purpose in client.purposes()]
"""
IMPORT_ALL = """
import importlib, pkgutil, consent_client
names = [module.name for module in pkgutil.walk_packages(consent_client.__path__, "consent_client.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    copy = shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=copy)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "--disable-pip-version-check")
    done = run(*pip, "install", "--no-index", "--no-deps", wheel)
    assert done.returncode == 0, done.stderr
    [packages] = folder.glob("lib/python*/site-packages")
    for needed in asked_for(requirements(wheel)):
        copy_files(needed, packages)
    return folder


def requirements(wheel: Path) -> list[str]:
    """What its metadata asks for, with markers."""
    with zipfile.ZipFile(wheel) as held:
        [name] = [name for name in held.namelist() if name.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(held.read(name).decode()).get_all("Requires-Dist", [])


def asked_for(lines: list[str]) -> Iterator[Distribution]:
    """These and what they ask for themselves, as they are installed here; no extra unless it is named."""
    waiting = [(Requirement(line), frozenset({""})) for line in lines]
    seen: set[str] = set()
    while waiting:
        requirement, extras = waiting.pop()
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        if name in seen or (
            marker is not None and not any(marker.evaluate({"extra": one}) for one in extras)
        ):
            continue
        seen.add(name)
        found = distribution(name)
        assert requirement.specifier.contains(found.version), requirement
        yield found
        asked = frozenset({"", *requirement.extras})
        waiting += [(Requirement(line), asked) for line in found.requires or ()]


def copy_files(found: Distribution, packages: Path) -> None:
    for file in found.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)


def test_the_wheel_holds_the_package_with_its_types_and_nothing_else(wheel: Path) -> None:
    about = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    with zipfile.ZipFile(wheel) as held:
        names = set(held.namelist())
        points = held.read(f"{about}/entry_points.txt").decode()

    assert {name.partition("/")[0] for name in names} == {"consent_client", about}
    pb = "consent_client/wire/pb/consent/v1/events_pb2"
    assert {"consent_client/py.typed", f"{pb}.py", f"{pb}.pyi"} <= names
    package = {str(file.relative_to(SOURCE)) for file in SOURCE.glob("consent_client/**/*.py")}
    assert {name for name in names if name.endswith(".py")} == package
    assert "consent-watch = consent_client.watch.command:main" in points


def test_every_module_can_be_imported_with_what_the_wheel_asks_for(clean: Path) -> None:
    done = run(clean / "bin" / "python", "-I", "-c", IMPORT_ALL)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


@pytest.mark.parametrize("name", ["consent_service", "litestar", "asyncpg", "pytest"])
def test_nothing_of_the_service_is_there(clean: Path, name: str) -> None:
    done = run(clean / "bin" / "python", "-I", "-c", f"import {name}")

    assert f"No module named '{name}'" in done.stderr


def test_consent_watch_is_a_command_there(clean: Path) -> None:
    done = run(clean / "bin" / "consent-watch", "--help")

    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout


def test_its_types_are_seen_by_those_who_use_it(clean: Path, tmp_path: Path) -> None:
    """Both scripts in one run, which costs most where it begins."""
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(USER)
    wrong.write_text(MISUSE)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", tmp_path / "cache")
    done = run(*mypy, "--python-executable", clean / "bin" / "python", right, wrong, cwd=tmp_path)

    told = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line.rpartition("[")[2] for line in told] == ["call-arg]", "misc]"], done.stdout + done.stderr
    assert all(line.startswith("wrong.py:") for line in told)
