"""How much a test does: little in `make test`, much in `make soak`."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")


def soak(short: T, long: T) -> T:
    """`long` where the environment variable CONSENT_SOAK is set."""
    return long if os.environ.get("CONSENT_SOAK") else short
