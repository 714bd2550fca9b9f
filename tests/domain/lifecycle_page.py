"""Draws `docs/LIFECYCLE.md` from the lifecycle table: `python -m tests.domain.lifecycle_page` writes it anew."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from consent_service.domain.errors import ConsentError
from consent_service.domain.lifecycle import COLUMNS, INTAKE, LETTERS, LIFECYCLE, Cell, Outcome, Table
from consent_service.domain.purposes import BasesKind
from consent_service.domain.values import Status

PAGE = Path(__file__).parents[2] / "docs" / "LIFECYCLE.md"

Edges = dict[tuple[Status, Status], list[str]]
Stages = dict[str, tuple[str, tuple[Status, ...]]]

#: Statuses that commands treat alike are drawn as one stage; where they differ is told by the table.
STAGES: Stages = {
    "open": (
        "Nothing stands<br/>unknown, deferred,<br/>revoked, expired,<br/>invalidated",
        (Status.UNKNOWN, Status.DEFERRED, Status.REVOKED, Status.EXPIRED, Status.INVALIDATED),
    ),
    "requested": ("The person was asked<br/>requested", (Status.REQUESTED,)),
    "agreed": ("The person agreed<br/>given, renewed", (Status.GIVEN, Status.RENEWED)),
    "own_no": (
        "The person's own no<br/>refused, withdrawn,<br/>objected",
        (Status.REFUSED, Status.WITHDRAWN, Status.OBJECTED),
    ),
}

KINDS: dict[BasesKind, tuple[str, str]] = {
    BasesKind.CONSENT_INTERESTS: (
        "Consent and legitimate interests",
        "Consent is needed, and the person can object as well. Permitted only in `given` and `renewed`. The other "
        "tables are cut from this one.",
    ),
    BasesKind.CONSENT: (
        "Consent",
        "Permitted only in `given` and `renewed`. There is nothing to object to; an objection from a time when the "
        "purpose rested on legitimate interests as well can still be lifted.",
    ),
    BasesKind.INTERESTS: (
        "Legitimate interests",
        "Permitted in `unknown` and `deferred`, until the person objects. There is no consent to give or to "
        "withdraw: the answer names `object`. What stands from a time when the purpose rested on consent goes on "
        "standing; the person can lift it too.",
    ),
    BasesKind.OTHER_INTERESTS: (
        "Another basis and legitimate interests",
        "Contract, legal obligation, vital interests or public task, with legitimate interests beside it. Always "
        "permitted; an objection is recorded and told, so that the part that rests on interests stops.",
    ),
    BasesKind.OTHER: (
        "Another basis",
        "Contract, legal obligation, vital interests or public task. Always permitted; there is nothing to give, to "
        "withdraw or to object to, and the answer says why.",
    ),
    BasesKind.NONE: (
        "No basis",
        "Never permitted and nothing can be granted; refusing and withdrawing are recorded all the same.",
    ),
}

INTRODUCTION = """\
# The lifecycle of a consent

<!-- Drawn from consent_service/domain/lifecycle.py: `python -m tests.domain.lifecycle_page` writes it anew. -->

What a command does depends on what stands for the person and the purpose, and on the legal bases of the purpose's
current version. What stands is judged at the moment of the command: a consent past its `until` stands as `expired`,
one that a material change has overtaken as `invalidated`, whether or not the service has written that down yet.
The principle behind the table: a person's own no (`refused`, `withdrawn`, `objected`) gives way only to their own
request, grant, confirmation, objection, or its lifting.
"""

LEGEND = """\
## How to read the tables

A row is the status that stands, a column the command, a cell what comes of it.

| cell | meaning |
|---|---|
| a status | a new record leads there (201) |
| *stays* | nothing new was said: the standing record answers (200) |
| *stays* or `requested` | a request for the version asked for before stays; one for another version is a new record |
| *stays* or `renewed` | a grant with the same version and preferences stays for 24 hours; any other renews |
| *kept* | preferences alone are recorded, the status is kept (201; the same ones again: 200) |
| not now | makes no sense in this status; the answer names the commands that do (409) |
| a refusal such as `not-withdrawable` | the legal bases know no such command (422) |

`given` by a grant: where the version demands double opt-in, a grant by web, api or email is 409
`confirmation-needed` and names `request` (or `confirm`, once requested); by paper, phone or import it needs evidence.
A lift right after a lift stays, whatever the bases. A retired purpose answers {intake}
with 409 `purpose-retired` where the bases know the command; everything else goes on. Of an erased person every
command is 410. The service itself leads `requested`, `given` and `renewed` to `expired` when `until` has passed and
to `invalidated` when a material change has overtaken the version, whatever the bases are by then.
"""


def page() -> str:
    """The whole page in Markdown, ending with a newline."""
    parts = [INTRODUCTION]
    for kind, (title, words) in KINDS.items():
        parts.append(f"## {title}\n\n{words}\n")
        if kind is BasesKind.CONSENT_INTERESTS:
            parts.append(diagram(_with_ends(_edges(LIFECYCLE[kind])), STAGES))
        elif kind in (BasesKind.INTERESTS, BasesKind.OTHER_INTERESTS, BasesKind.NONE):
            parts.append(diagram(_from_the_start(_edges(LIFECYCLE[kind]))))
        parts.append(table(LIFECYCLE[kind]))
    parts.append(LEGEND.format(intake=_listed(f"`{c}`" for c in COLUMNS if c in INTAKE)))
    return "\n".join(parts)


def table(rows: Table) -> str:
    """One kind's table in Markdown; statuses in which every command does the same share a line."""
    shared: dict[tuple[str, ...], list[Status]] = {}
    for status in LETTERS.values():
        shared.setdefault(tuple(_cell(rows[status][command]) for command in COLUMNS), []).append(status)
    lines = ["| | " + " | ".join(f"`{command}`" for command in COLUMNS) + " |", "|---" * 12 + "|"]
    for cells, statuses in shared.items():
        lines.append(f"| **{', '.join(statuses)}** | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(outcome: Outcome) -> str:
    if isinstance(outcome, Status):
        return outcome.value
    if isinstance(outcome, Cell):
        return {
            Cell.STANDING: "*stays*",
            Cell.NOT_NOW: "not now",
            Cell.ASK_AGAIN: "*stays* or requested",
            Cell.GIVE: "given",
            Cell.RENEW: "*stays* or renewed",
            Cell.KEEP: "*kept*",
        }[outcome]
    assert issubclass(outcome, ConsentError)
    return f"`{outcome.slug}`"


def diagram(edges: Edges, stages: Stages | None = None) -> str:
    """The moves as a Mermaid state diagram; one node for all statuses of a stage, else one a status."""
    stages = stages or {status.value: (status.value, (status,)) for pair in edges for status in pair}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{title}" as {stage}' for stage, (title, _) in stages.items() if title != stage]
    for stage, (_, members) in stages.items():
        if Status.UNKNOWN in members:
            lines.append(f"    [*] --> {stage}")
    for source, (_, sources) in stages.items():
        for target, (_, targets) in stages.items():
            words = [_words(edges, sources, status, named=len(targets) > 1) for status in targets]
            if any(words):
                lines.append(f"    {source} --> {target}: {'<br/>'.join(filter(None, words))}")
    return "\n".join([*lines, "```", ""])


def _words(edges: Edges, sources: tuple[Status, ...], target: Status, *, named: bool) -> str:
    """What leads from a stage to one status, and from which of its statuses where only one has it."""
    words: dict[str, list[Status]] = {}
    for source in sources:
        for word in edges.get((source, target), []):
            words.setdefault(word, []).append(source)
    told = [
        f"{word} ({froms[0]})" if len(froms) == 1 < len(sources) - 1 else word
        for word, froms in words.items()
    ]
    return ", ".join(told) + (f" → {target}" if told and named else "")


def _edges(rows: Table) -> Edges:
    """Where the commands lead, with their names."""
    edges: Edges = {}
    for status, row in rows.items():
        for command, outcome in row.items():
            target, word = _arrow(command, outcome)
            if target is not None:
                edges.setdefault((status, target), []).append(word)
    return edges


def _with_ends(edges: Edges) -> Edges:
    """Also where time and new versions lead by themselves (CORE 2, sweeper)."""
    for status in (Status.REQUESTED, Status.GIVEN, Status.RENEWED):
        edges.setdefault((status, Status.EXPIRED), []).append("until passed")
        edges.setdefault((status, Status.INVALIDATED), []).append("material change")
    return edges


def _from_the_start(edges: Edges) -> Edges:
    """Only what a person without a record can come to; other statuses stem from other bases."""
    reached: set[Status] = {Status.UNKNOWN}
    while more := {target for source, target in edges if source in reached} - reached:
        reached |= more
    return {ends: words for ends, words in edges.items() if ends[0] in reached}


def _arrow(command: str, outcome: Outcome) -> tuple[Status | None, str]:
    """Where a cell's arrow ends and its name; a request for another version ends where it began, so it has none."""
    if isinstance(outcome, Status):
        return outcome, command
    if outcome is Cell.GIVE:
        return Status.GIVEN, command
    if outcome is Cell.RENEW:
        return Status.RENEWED, f"{command} again"
    return None, ""


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
