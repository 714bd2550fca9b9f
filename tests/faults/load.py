"""Many clients that speak at once about a few persons, and an account of all they were answered.

Every submission has an idempotency key, and every command in it a `source` of its own, so that the account can be laid
beside the ledger afterwards: what was said, what was answered, what stands there.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tests.faults.callers import Answer, Broken, Caller, Refused, Stuck

CONTROLLER = "backerskeie"
#: All rest on consent and legitimate interests, so that every command of the lifecycle's table does something.
PURPOSES = (
    "klientoppdrag-og-kandidatrelasjoner",
    "soknadsmottak",
    "personlighets-og-evnetester",
    "kredittkontroll-og-fakturering",
    "tjenesteforbedring-og-kundeservice",
    "markedsforing-og-nyhetsbrev",
    "sikkerhet-og-identifisering",
)
COMMANDS = (
    "grant", "grant", "grant", "withdraw", "object", "lift-objection", "request", "revoke", "defer", "refuse",
)  # fmt: skip
NEEDS_VERSION = ("grant", "request")
PATIENCE_S = 20.0
#: What is decided, and so answered again under the same key (R24).
DECIDED = (200, 201, 409)
#: How long a client waits before it says again what got no answer.
AGAIN_S = 0.02


class Said(msgspec.Struct):
    """One submission, however often it was sent, and everything that was answered to it."""

    path: str
    content: dict[str, Any]
    key: str
    sources: tuple[str, ...]
    answers: list[Answer] = []
    unanswered: int = 0
    """Connections that broke: whether anything was recorded is not known."""
    refused: int = 0
    """Nobody listened: nothing can be recorded."""

    @property
    def decided(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status in DECIDED]

    @property
    def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        """Of each decided answer, each command's source and record; the record may be one that stood before."""
        return [
            (source, element["record"])
            for answer in self.decided
            if answer.status in (200, 201)
            for source, element in zip(self.sources, _elements(answer), strict=True)
        ]


def _elements(answer: Answer) -> list[dict[str, Any]]:
    content = answer.content
    elements: list[dict[str, Any]] = content.get("records", [content])
    return elements


class Load:
    """Clients at work. `said` is the account; `decided` counts what was answered for good.

    `pause_s` is how long each waits after an answer before it speaks again; it may be changed while they do.
    `patience_s` is a client's own, where the network is bad.
    """

    def __init__(
        self,
        urls: Sequence[str],
        token: str,
        persons: Sequence[str],
        *,
        seed: int,
        patience_s: float | None = None,
    ) -> None:
        self._urls = urls
        self._token = token
        self._persons = persons
        self._patience_s = patience_s
        self._name = f"load-{seed}"
        self._chance = random.Random(seed)  # noqa: S311  a story, not a secret
        self._numbers = itertools.count(1)
        self._heard = asyncio.Condition()
        self._stopping = False
        self.pause_s = 0.0
        self._open: dict[str, Said] = {}
        self.said: list[Said] = []
        self.decided = 0
        self.statuses: dict[int, int] = {}
        self.stuck: list[str] = []

    def speak(self) -> Said:
        """What somebody says next: one command on a purpose, or a decision about two or three."""
        name = f"{self._name}-{next(self._numbers)}"
        person = self._chance.choice(self._persons)
        purposes = self._chance.sample(PURPOSES, self._chance.choice((1, 1, 2, 3)))
        commands = [
            {"command": self._chance.choice(COMMANDS), "purpose": purpose, "source": f"{name}-{place}"}
            for place, purpose in enumerate(purposes)
        ]
        for command in commands:
            if command["command"] in NEEDS_VERSION:
                command["version"] = 1  # type: ignore[assignment]
        sources = tuple(command["source"] for command in commands)
        if len(commands) > 1:
            content: dict[str, Any] = {"subject": {"subject_id": person}, "decisions": commands}
            path = "/v1/decisions"
        else:
            content = commands[0]
            path = f"/v1/subjects/{person}/consents/{content.pop('purpose')}/{content.pop('command')}"
        said = Said(path, content, name, sources)
        self.said.append(said)
        return said

    async def say(self, caller: Caller, said: Said) -> Answer | None:
        """Send it once, and write down what comes back."""
        try:
            answer = await caller.ask("POST", said.path, said.content, said.key)
        except Refused:
            said.refused += 1
        except Broken:
            said.unanswered += 1
        except Stuck as stuck:
            self.stuck.append(str(stuck))
            said.unanswered += 1
        else:
            said.answers.append(answer)
            async with self._heard:
                self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
                self.decided += answer.status in DECIDED
                self._heard.notify_all()
            return answer
        return None

    async def insist(self, said: Said, *callers: Caller) -> None:
        """Say it, under the same key, through one caller after the other, until it is decided or the load stops."""
        self._open[said.key] = said
        for caller in itertools.cycle(callers):
            answer = await self.say(caller, said)
            if self._stopping or (answer is not None and answer.status in DECIDED):
                self._open.pop(said.key, None)  # its twin may have been faster
                return
            if answer is not None and answer.status != 503:
                raise AssertionError(f"{said.path}: {answer.status} {answer.body!r}")
            await asyncio.sleep(AGAIN_S)

    @asynccontextmanager
    async def running(
        self, clients: int, *, insisting: bool = True, pause_s: float = 0.0
    ) -> AsyncIterator[None]:
        """Clients that speak while the block runs; at its end each is answered.

        Each speaks to one of the services; where that does not answer, an insisting one turns to the next.
        """
        self._stopping, self.pause_s = False, pause_s

        async def client(number: int) -> None:
            place = number % len(self._urls)
            urls = (*self._urls[place:], *self._urls[:place])
            callers = [Caller(url, self._token, self._patience_s) for url in urls]
            try:
                while not self._stopping:
                    if insisting:
                        await self.insist(self.speak(), *callers)
                    elif await self.say(callers[0], self.speak()) is None:
                        await asyncio.sleep(AGAIN_S)
                    await asyncio.sleep(self.pause_s)
            finally:
                for caller in callers:
                    caller.close()

        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(client(number))
            try:
                yield
            finally:
                self._stopping = True

    async def more(self, decided: int) -> None:
        """Return once so many more submissions were decided."""
        goal = self.decided + decided
        await self.heard(lambda: self.decided >= goal)

    async def refused(self, clients: int) -> None:
        """Return once every one of so many insisting clients was answered with 503 to what it says now."""

        def all_were() -> bool:
            statuses = [[answer.status for answer in said.answers] for said in self._open.values()]
            return len(statuses) == clients and all(503 in those for those in statuses)

        await self.heard(all_were)

    async def heard(self, happened: Callable[[], bool]) -> None:
        """Return as soon as it is so; looked at with every answer. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S), self._heard:
            await self._heard.wait_for(happened)
