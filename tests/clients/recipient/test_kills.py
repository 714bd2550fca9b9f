"""`kill -9` at any line between the handler and the commit: nothing is missed, nothing said is lost, order is kept."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.clients.recipient.systems import GROUP
from tests.clients.recipient.topics import Topics, a_step
from tests.events.streams import eventually, subject
from tests.processes import Process, start
from tests.soak import soak

pytestmark = pytest.mark.soak

#: From the return of the handler to the commit there are some hundred lines.
LINES = soak((1, 6, 14, 26, 40, 70), tuple(range(1, 240, 2)))
SUBJECTS = 3


async def member(topics: Topics, folder: Path, line: int = 0, name: str = "one") -> Process:
    arguments = (str(folder / "recipient.db"), str(folder / "journal"), name)
    return await start(
        *(topics.bootstrap, topics.prefix, *arguments, str(line)),
        environment={"PYTHONPATH": "clients/python"},
        module="tests.clients.recipient.member",
    )


def journal(folder: Path) -> dict[str, list[int]]:
    """What the handlers were called for, life after life, by subject."""
    calls: dict[str, list[int]] = defaultdict(list)
    for line in (folder / "journal").read_text().splitlines():
        subject_id, sequence = line.split()
        calls[subject_id].append(int(sequence))
    return calls


async def test_R34_killed_at_any_line_it_goes_on_where_it_was(topics: Topics, tmp_path: Path) -> None:
    for round_, line in enumerate(LINES, start=1):
        await topics.tell(*(a_step(number, round_) for number in range(SUBJECTS)))
        killed = await member(topics, tmp_path, line)
        assert await killed.ended() == -9, "\n".join(killed.lines)
    last = await member(topics, tmp_path)

    async def done() -> bool:
        return await topics.committed(GROUP) == SUBJECTS * len(LINES)

    await eventually(done)
    assert await last.stop() == 0

    calls = journal(tmp_path)
    for number in range(SUBJECTS):
        sequences = calls[str(subject(number))]
        assert sequences == sorted(sequences)
        assert set(sequences) == set(range(1, len(LINES) + 1))
        said = [int(word.split()[0]) for word in await topics.outcomes(number)]
        assert said == list(range(1, len(LINES) + 1))
