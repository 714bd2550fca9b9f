"""Every statement is one that the migrated schema knows and that its role may run (R22)."""

from __future__ import annotations

import ast
from pathlib import Path

import asyncpg
import pytest

from consent_service import storage
from tests.databases import TestDatabase
from tests.storage.statements import ALSO, STATEMENT, statements

FOUND = statements()


def test_every_statement_is_looked_at() -> None:
    """As many as the source has texts that begin like one."""
    written = [
        (path.stem, node.value)
        for path in Path(storage.__path__[0]).glob("*.py")
        if path.stem != "preparation"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value)
    ]

    texts = {(module, text) for module, _, _, text in FOUND}
    literal = {("database", "select 1"), ("announcements", "select 1")}
    assert set(written) - literal == texts
    assert {(module, name) for module, name, *_ in FOUND} >= ALSO.keys()


@pytest.mark.parametrize(
    ("module", "name", "role", "text"), FOUND, ids=[f"{one[0]}.{one[1]}-{one[2]}" for one in FOUND]
)
async def test_a_statement_is_understood_and_allowed(
    filled: TestDatabase, module: str, name: str, role: str, text: str
) -> None:
    """Preparing finds what is misspelt; planning for execution asks for the role's privileges too."""
    connection = await filled.connect(role)
    try:
        await connection.prepare(text)
        await connection.execute(f"explain (generic_plan) {text}")
    finally:
        await connection.close()


async def test_a_statement_that_a_role_may_not_run_would_be_told(filled: TestDatabase) -> None:
    connection = await filled.connect("consent_relay")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(
            "explain (generic_plan) select sealed_value from identifiers where controller = $1"
        )
    await connection.close()
