"""Three members that come and go under load share one group and one store (R34)."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest
from consent_client.model import Change
from consent_client.recipient.answers import Answer

from tests.clients.recipient.systems import System, obeying, until
from tests.clients.recipient.test_recipient import all_committed
from tests.clients.recipient.topics import Topics, a_step
from tests.events.streams import subject
from tests.soak import soak

pytestmark = pytest.mark.soak

SUBJECTS = 60
TIMES = soak(1, 20)
#: So many changes may wait: however busy the machine is, they are caught up with at the end.
BEHIND_MAX = 20 * SUBJECTS


class Shared:
    """What the handlers of all members did, as one system would see it."""

    def __init__(self) -> None:
        self.sequences: defaultdict[UUID, list[int]] = defaultdict(list)
        self.at_work: Counter[UUID] = Counter()
        self.done: set[tuple[UUID, int]] = set()
        self.met: set[UUID] = set()

    async def keeps_up_with(self, told: int) -> None:
        """Return once no more than BEHIND_MAX of so many changes wait."""
        await until(lambda: told - len(self.done) <= BEHIND_MAX)


class Member(System):
    """Works a while on each change."""

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self.shared = shared

    async def _note(self, verb: str, change: Change) -> Answer:
        shared, who = self.shared, change.subject_id
        shared.at_work[who] += 1
        if shared.at_work[who] > 1:
            shared.met.add(who)
        try:
            await asyncio.sleep(0.002)
            shared.sequences[who].append(change.sequence)
            shared.done.add((who, change.sequence))
        finally:
            shared.at_work[who] -= 1
        return None


@pytest.mark.timeout(soak(180, 600))
async def test_R34_members_come_and_go_and_nobody_is_missed_mixed_up_or_met_twice(
    topics: Topics, tmp_path: Path
) -> None:
    shared, file, enough = Shared(), tmp_path / "recipient.db", asyncio.Event()

    async def load() -> int:
        for sequence in itertools.count(1):
            await topics.tell(*(a_step(number, sequence) for number in range(SUBJECTS)))
            if enough.is_set():
                return sequence
            await shared.keeps_up_with(SUBJECTS * sequence)
        raise AssertionError

    async def comes(stack: AsyncExitStack) -> Member:
        member = Member(shared)
        await stack.enter_async_context(obeying(member, topics, file))
        await until(lambda: member.counters.handled > 0)
        return member

    async with AsyncExitStack() as staying:
        loading = asyncio.create_task(load())
        await comes(staying)
        for _ in range(TIMES):
            async with AsyncExitStack() as leaving:
                await comes(leaving)
                async with AsyncExitStack() as third:
                    await comes(third)
        last = await comes(staying)
        enough.set()
        sequences = await loading
        told = SUBJECTS * sequences
        await until(lambda: len(shared.done) == told)
        await all_committed(topics, told)
        assert last.counters.failed == 0

    assert shared.met == set()
    for number in range(SUBJECTS):
        seen = shared.sequences[subject(number)]
        assert seen == sorted(seen)
    said = await topics.acknowledgements()
    assert len({word.acknowledgement_id for word in said}) == told
