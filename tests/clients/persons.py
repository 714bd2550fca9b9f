"""Persons whom nobody knows yet."""

from __future__ import annotations

import itertools

_numbers = itertools.count(1)


def somebody() -> dict[str, str]:
    """An identifier that was not used before."""
    return {"email": f"client-{next(_numbers)}@example.org"}
