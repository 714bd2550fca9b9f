"""Whether a stranger can tell the two worlds apart, and whether it changes anything of the others'."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import httpx

from consent_service.http.queries import read_cursor
from tests.events.streams import subject
from tests.tenancy.asked import QUESTIONS, Asked, Request
from tests.tenancy.probes import PROBES, About
from tests.tenancy.world import OTHERS, OWNER, STRANGER, UUIDS, World
from tests.tenancy.worlds import ASKED_AT, Stage, Told

CURSOR = re.compile(r'(?<="next":")[\w-]+(?=")')
#: Made by chance with each record.
CHANCE = re.compile(r'("(?:record_hash|previous_hash|\w+_commitment)":)"[0-9a-f]{64}"|retry: \d+')


@dataclass(frozen=True)
class Seen:
    """An answer without what is made by chance."""

    status: int
    headers: dict[str, str]
    text: str


def opened(answer: httpx.Response) -> str:
    """An answer's text with what its cursors hold."""
    return CURSOR.sub(lambda found: read_cursor({"after": found[0]}, len(found[0])) or "", answer.text)


@dataclass(frozen=True)
class Step:
    """One question about things of somebody's, at the same moment in every world."""

    at: datetime
    whose: str
    question: Asked
    request: Request

    @property
    def name(self) -> str:
        return f"about {self.whose}: {self.question.line}"

    @property
    def is_nobodys(self) -> bool:
        """What operators see is of all controllers."""
        return self.question.operation.tag == "Operators"


@dataclass(frozen=True)
class Worlds:
    """`answers` are what the stranger sees where it is alone; `secrets` what it must never see where it is not."""

    stage: Stage
    alone: Told
    shared: Told
    known: frozenset[str]
    secrets: frozenset[str]
    about: About
    answers: list[Seen]
    probed: list[str]

    @classmethod
    async def found(cls, stage: Stage, alone: Told, shared: Told) -> Worlds:
        async with stage.open(shared) as world:
            known = await world.ids(f"controller = '{STRANGER}'")
            others = await world.ids(OTHERS)
        secrets = (others - known) | {str(subject(1)), f"kari@{OWNER}.example"}
        own, theirs = shared.values[STRANGER], shared.values[OWNER]
        about = About(
            UUID(own["subject"]),
            UUID(own["record"]),
            UUID(theirs["twin_record"]),
            int(theirs["twin_sequence"]),
        )
        worlds = cls(stage, alone, shared, frozenset(known | others), frozenset(secrets), about, [], [])
        async with stage.open(alone) as world:
            worlds.probed.extend([answer async for _, answer, _ in worlds.probe(world)])
            for step in worlds.steps():
                worlds.answers.append(worlds.seen(await world.ask(STRANGER, step.request, step.at)))
        return worlds

    def steps(self) -> Iterator[Step]:
        """All that the stranger asks: first about the owner's things, then about its own, which have twins."""
        own = self.shared.values[STRANGER]
        mine = {name: value for name, value in own.items() if name.startswith(("mine", "my_"))}
        asked = [
            (whose, question, question.about({**self.shared.values[whose], **mine}))
            for whose in (OWNER, STRANGER)
            for question in QUESTIONS
        ]
        for number, one in enumerate(asked):
            yield Step(ASKED_AT + timedelta(milliseconds=number), *one)

    def owners_steps(self) -> Iterator[Step]:
        """The same about the owner's things, as the owner asks it at the same moments."""
        for step in self.steps():
            if step.whose == OWNER:
                yield replace(step, request=step.question.about(self.shared.values[OWNER]))

    def seen(self, answer: httpx.Response) -> Seen:
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("x-request-id", "content-length")
        }
        text = CHANCE.sub(r"\1", opened(answer))
        return Seen(
            answer.status_code,
            headers,
            UUIDS.sub(lambda one: one[0] if one[0] in self.known else "new", text),
        )

    async def differences(self, world: World) -> AsyncIterator[str]:
        """What tells this world from the one in which the stranger is alone, and what it has changed of the others'."""
        before = await world.others()
        for step, alone in zip(self.steps(), self.answers, strict=True):
            answer = await world.ask(STRANGER, step.request, step.at)
            for told in self._told(step, answer, alone):
                yield told
            if (after := await world.others()) != before:
                yield f"{step.name}\n  changes {sorted(set(after) ^ set(before))}"
                before = after

    async def differences_at_once(self, world: World, owners: list[Seen]) -> AsyncIterator[str]:
        """The same where the owner asks as much of its own at the same moment, and `owners` are its answers alone."""
        for theirs, ours, alone, owner_alone in zip(
            self.steps(), self.owners_steps(), self.answers, owners, strict=False
        ):
            answer, owners_answer = await asyncio.gather(
                world.ask(STRANGER, theirs.request, theirs.at), world.ask(OWNER, ours.request, ours.at)
            )
            for told in self._told(theirs, answer, alone):
                yield told
            if not ours.is_nobodys and (seen := self.seen(owners_answer)) != owner_alone:
                yield f"of the owner's own: {ours.name}\n  answers {seen}\n  instead of {owner_alone}"

    def _told(self, step: Step, answer: httpx.Response, alone: Seen) -> Iterator[str]:
        if not step.is_nobodys and (seen := self.seen(answer)) != alone:
            yield f"{step.name}\n  answers {seen}\n  instead of {alone}"
        said = opened(answer)
        if leaked := {one for one in self.secrets if one in said and one not in step.request.text}:
            yield f"{step.name}\n  tells {leaked}"

    async def probe(self, world: World, module: str | None = None) -> AsyncIterator[tuple[int, str, bool]]:
        """Of each probe, or each of a module's: its place, its answer, and whether others' rows are the same behind it."""
        before = await world.others()
        for place, (of, ask) in enumerate(PROBES):
            if module in (None, of):
                transaction = world.rows.transaction()
                await transaction.start()
                try:
                    answer = repr(await ask(world.rows, self.about))
                    same = await world.others() == before
                finally:
                    await transaction.rollback()
                yield place, answer, same

    async def probed_differently(self, world: World, module: str | None = None) -> AsyncIterator[str]:
        """Which probes tell this world from the other, or change anything of the others'."""
        async for place, answer, same in self.probe(world, module):
            if answer != self.probed[place]:
                yield f"probe {place} of {PROBES[place][0]}\n  answers {answer}\n  instead of {self.probed[place]}"
            if not same:
                yield f"probe {place} of {PROBES[place][0]}\n  changes others' rows"
