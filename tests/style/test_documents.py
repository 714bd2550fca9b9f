"""What the documents name is there: tests that show a guarantee, and pages that are linked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("clients/*/*.md"),
    ]
)
TEST = re.compile(r"`(test_\w+)`")
FILE = re.compile(r"`(tests/[\w/]+\.py)`")
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")
WRITTEN = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def written() -> set[str]:
    """Every test's name, and every test file's."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    names = {name for file in files for name in WRITTEN.findall(file.read_text())}
    return names | {file.stem for file in files}


def test_there_are_pages_and_some_name_tests() -> None:
    assert sum(len(TEST.findall(page.read_text())) for page in PAGES) > 30
    assert sum(len(FILE.findall(page.read_text())) for page in PAGES) > 10


@every_page
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    assert sorted(set(TEST.findall(text)) - written()) == []
    assert [file for file in FILE.findall(text) if not (ROOT / file).exists()] == []


@every_page
def test_every_page_that_is_linked_is_there(page: Path) -> None:
    linked = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert linked == []
