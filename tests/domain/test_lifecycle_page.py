"""The page on the lifecycle is drawn from the table that the service runs on."""

from __future__ import annotations

import re

from consent_service.domain.lifecycle import LIFECYCLE
from consent_service.domain.purposes import BasesKind
from consent_service.domain.values import Command, Status
from tests.domain.lifecycle_page import PAGE, page, table


def test_the_page_in_the_docs_is_the_one_drawn_from_the_table() -> None:
    """`python -m tests.domain.lifecycle_page` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_a_change_of_the_table_changes_the_page() -> None:
    rows = LIFECYCLE[BasesKind.CONSENT_INTERESTS]
    changed = rows | {Status.GIVEN: rows[Status.GIVEN] | {Command.REFUSE: Status.REFUSED}}
    assert table(changed) != table(rows)
    assert "| **given** | *stays* | *stays* | *stays* or renewed | refused |" in table(changed)


def test_every_kind_of_bases_tells_of_every_status_once() -> None:
    for kind in BasesKind:
        rows = re.findall(r"^\| \*\*(.+?)\*\* \|", table(LIFECYCLE[kind]), re.MULTILINE)
        told = [status for row in rows for status in row.split(", ")]
        assert sorted(told) == sorted(Status)


def test_every_diagram_is_well_formed() -> None:
    """Only the few forms of a state diagram that every renderer knows; arrows start and end at known nodes."""
    diagrams = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", page(), re.DOTALL)
    assert len(diagrams) == 4
    for diagram in diagrams:
        stages = set(re.findall(r'^    state "[^"\n]+" as (\w+)$', diagram, re.MULTILINE))
        arrows = re.findall(r"^    (\w+) --> (\w+): [^:;\n]+$", diagram, re.MULTILINE)
        start = re.findall(r"^    \[\*\] --> (\w+)$", diagram, re.MULTILINE)
        assert len(start) == 1
        assert len(stages) + len(arrows) + 1 == len(diagram.splitlines())
        nodes = {node for arrow in arrows for node in arrow} | set(start)
        assert nodes <= stages | {status.value for status in Status}
