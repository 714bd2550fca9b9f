"""The npm packages that tests/contracts/npm names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.npm import npm_install

NPM = Path(__file__).parent / "npm"


@pytest.fixture(scope="session")
def node_modules() -> Path:
    return npm_install(NPM)
