"""Business rules as text: a table's rows, and what a refusal is compared by."""

from __future__ import annotations

import httpx


def rows(table: str, columns: int) -> list[tuple[str, ...]]:
    """The cells of each line; cells are divided by ` | `, blank lines and comments are skipped."""
    found = []
    for line in table.splitlines():
        if line.strip() and not line.startswith("#"):
            cells = tuple(cell.strip() for cell in line.split(" | "))
            assert len(cells) == columns, line
            found.append(cells)
    return found


def told(answer: httpx.Response) -> str:
    """A refusal as `status slug where`, where being its pointers and parameters; an answer as its status."""
    if answer.status_code < 400:
        return str(answer.status_code)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    where = [fault.get("pointer", fault.get("parameter")) for fault in problem.get("errors", ())]
    words = [
        str(answer.status_code),
        problem["type"].removeprefix("/problems/"),
        *(one or '""' for one in where),
    ]
    return " ".join(words)
