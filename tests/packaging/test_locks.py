"""The lock files: names, versions and hashes, complete and without the address of any host."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.compose import ROOT

SERVICE, EMBEDDED, DEVELOPMENT = (
    "requirements.lock",
    "requirements-embedded.lock",
    "requirements-dev.lock",
)
LOCKS = (SERVICE, EMBEDDED, DEVELOPMENT)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENTRY = re.compile(
    r"^(?P<requirement>\S.*?)(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n", re.MULTILINE
)


def locked(name: str) -> dict[str, Requirement]:
    """The packages of a lock, by canonical name."""
    text = (ROOT / name).read_text()
    requirements = [Requirement(entry["requirement"]) for entry in ENTRY.finditer(text)]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def versions(lock: str) -> dict[str, str]:
    """Package -> version."""
    return {name: str(held.specifier).removeprefix("==") for name, held in locked(lock).items()}


def wanted(lock: str) -> list[Requirement]:
    """What pyproject.toml asks for directly, for that lock."""
    names = list(PROJECT["project"]["dependencies"])
    if lock in (EMBEDDED, DEVELOPMENT):
        names += PROJECT["project"]["optional-dependencies"]["embedded"]
    if lock == DEVELOPMENT:
        names += PROJECT["dependency-groups"]["dev"]
    return [Requirement(name) for name in names]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_exact_versions_with_their_hashes_and_nothing_else(lock: str) -> None:
    assert ENTRY.sub("", (ROOT / lock).read_text()) == ""
    assert locked(lock)
    for requirement in locked(lock).values():
        assert requirement.url is None
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host_and_no_path(lock: str) -> None:
    text = (ROOT / lock).read_text()
    # A marker quotes platforms; apart from that no slash, no scheme, no option but the hashes.
    assert not re.search(r"/|\w:\w*//|^-|@", re.sub(r" --hash=sha256:\w+", "", text), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_all_that_is_asked_for_directly_in_a_version_that_fits(lock: str) -> None:
    held = versions(lock)
    for requirement in wanted(lock):
        assert requirement.specifier.contains(held[canonicalize_name(requirement.name)]), requirement


def test_the_larger_locks_hold_the_same_versions_and_add_to_them() -> None:
    """A larger lock may hold a package for more platforms, never in another version."""
    for smaller, larger in ((SERVICE, EMBEDDED), (EMBEDDED, DEVELOPMENT)):
        assert versions(smaller).items() <= versions(larger).items()


def test_the_services_own_lock_suffices_for_all_that_the_service_imports() -> None:
    held = locked(SERVICE)
    distributions = packages_distributions()
    missing = {
        f"{module} in {file.relative_to(ROOT)}"
        for file in (ROOT / "consent_service").rglob("*.py")
        for module in imported_at_the_start(file)
        if module not in sys.stdlib_module_names
        and module not in ("consent_service", "consent_client")
        and not any(canonicalize_name(name) in held for name in distributions.get(module, ()))
    }
    assert missing == {f"jgo in consent_service/embedded/{LOCK_WRITER}"}


LOCK_WRITER = "lock_jars.py"
"""Run by `make lock` alone, where the engines are installed."""


def imported_at_the_start(file: Path) -> set[str]:
    """Top-level packages that importing the file imports; those inside functions are optional."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module.split(".")[0])
    return found
