"""Where these tests find the broker's jars."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cache_dir() -> Path | None:
    """As the command line chooses it: the folder named in the environment, else the platform's own."""
    named = os.environ.get("CONSENT_CACHE_DIR")
    return Path(named) if named else None
