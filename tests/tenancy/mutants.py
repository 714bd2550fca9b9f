"""The statements of storage with one condition on the controller taken out."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from consent_service import storage
from tests.storage.statements import statements

#: `where controller = $1`, `on a.controller = b.controller`, `and controller = any ($1::text[])`.
CONDITION = re.compile(
    r"\b(where|and|on|or)\s+(?:\w+\.)?controller = (?:(?P<many>any ?\()?(?P<parameter>\$\d+)(?:::text\[\])?\)?|\w+\.controller)"
)
#: Every comparison and assignment.
EQUALS = re.compile(r"\bcontroller\s*=")
ASSIGNMENT = "set controller = excluded.controller"


@dataclass(frozen=True)
class Mutant:
    """`number` counts the conditions of the statement from 1; `text` is the statement without this one."""

    module: str
    statement: str
    number: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.module}.{self.statement} {self.number}"

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                importlib.import_module(f"{storage.__name__}.{self.module}"), self.statement, self.text
            )
            yield


def texts(*roles: str) -> dict[tuple[str, str], str]:
    """Every statement once, or those that these roles run, by (module, name)."""
    return {(module, name): text for module, name, role, text in statements() if not roles or role in roles}


def mutants(*roles: str) -> list[Mutant]:
    return [
        Mutant(
            module,
            name,
            number,
            text[: found.start()] + _true(found) + text[found.end() :],
        )
        for (module, name), text in texts(*roles).items()
        for number, found in enumerate(CONDITION.finditer(text), 1)
    ]


def _true(found: re.Match[str]) -> str:
    """What always holds, and leaves a parameter its type."""
    if found["parameter"] is None:
        return f"{found[1]} true"
    return f"{found[1]} {found['parameter']}::text{'[]' if found['many'] else ''} is not null"
