"""The ledger at work on a real database, without HTTP: who submits what, and which moment it is.

`Room` is one process: a catalogue and a ledger of its own. Two rooms on one database are two processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeEntry
from consent_service.domain.errors import ConsentError
from consent_service.domain.identifiers import Identifier
from consent_service.domain.purposes import Change
from consent_service.domain.values import Basis, Command
from consent_service.storage.database import Database, open_database
from consent_service.storage.keyring import Keyring
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.submissions import (
    Answer,
    Caller,
    CommandInput,
    Idempotency,
    SubjectReference,
    Submission,
)
from consent_service.usecases.verification import Verification
from consent_service.usecases.verification_person import Fault
from tests.builders import DAY_ZERO, NOTICES, OFFER, day
from tests.databases import TestDatabase

KEYRING = Keyring({"lookup-1": b"l" * 32}, {"sealing-1": b"s" * 32})
PURPOSES = (
    PurposeEntry(
        slug="nyhetsbrev",
        legal_bases=(Basis.CONSENT,),
        renew_after="P3Y",
        notices=NOTICES,
        preferences=OFFER,
        effective_from=day(-1000),
    ),
    PurposeEntry(slug="rekruttering", legal_bases=(Basis.LEGITIMATE_INTERESTS,), effective_from=day(-1000)),
    PurposeEntry(slug="avtale", legal_bases=(Basis.CONTRACT,), effective_from=day(-1000)),
)


class Clock:
    """Shows the moment it was set to, from day 0 on."""

    def __init__(self, moment: datetime = DAY_ZERO) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **by: float) -> None:
        self.moment += timedelta(**by)


class Room:
    def __init__(self, database: Database, clock: Clock, keyring: Keyring = KEYRING, **limits: Any) -> None:
        self.database = database
        self.clock = clock
        self.keyring = keyring
        self.woken = 0
        self.catalogue = Catalogue(database, now=clock)
        self.ledger = Ledger(database, self.catalogue, keyring, now=clock, **{"wake": self._wake, **limits})

    def _wake(self) -> None:
        self.woken += 1

    async def loads(self, controller: str, purposes: tuple[PurposeEntry, ...] = PURPOSES) -> None:
        """The catalogue of one controller, in effect since long ago."""
        long_ago = Catalogue(self.database, now=lambda: day(-1000))
        await long_ago.load(
            CatalogueEntries(
                controller=ControllerEntry(slug=controller, legal_name=controller.title()), purposes=purposes
            ),
            "test",
        )

    async def changes_materially(self, controller: str, purpose: str = "nyhetsbrev") -> None:
        """Now there is a new version, which a standing consent does not cover."""
        known = (await self.catalogue.purposes(controller))[purpose].versions[-1].content
        asked = PurposeEntry(
            slug=purpose,
            **{name: getattr(known, name) for name in known.__struct_fields__ if name != "data_categories"},
            data_categories=(*known.data_categories, f"category-{len(known.data_categories)}"),
            change=Change.MATERIAL,
        )
        await self.catalogue.publish(Caller(controller, "test"), purpose, asked)

    async def says(self, who: SubjectReference, *commands: CommandInput, **fields: Any) -> Answer:
        """A submission of its own, answered within ten seconds."""
        async with asyncio.timeout(10):
            return await self.ledger.submit(a_submission(who, *commands, **fields))


@asynccontextmanager
async def open_room(
    database: TestDatabase,
    controllers: Sequence[str] = ("ansettr",),
    clock: Clock | None = None,
    **limits: Any,
) -> AsyncIterator[Room]:
    """A process at work as the service's role; `controllers` are loaded, an empty list where they are already."""
    async with open_database(
        database.url(), connections_max=6, statement_timeout_s=10, lock_timeout_s=5, name="tests"
    ) as opened:
        room = Room(opened, clock or Clock(), **limits)
        for controller in controllers:
            await room.loads(controller)
        yield room
        await room.ledger.close()


def someone(name: str, kind: str = "email") -> SubjectReference:
    """A person by one identifier; nobody has it the first time."""
    value = f"{name}@example.org" if kind == "email" else name
    return SubjectReference(identifiers=(Identifier(kind, value),))


def known(subject_id: UUID) -> SubjectReference:
    return SubjectReference(subject_id=subject_id)


def a_command(command: Command | str = "grant", purpose: str = "nyhetsbrev", **fields: Any) -> CommandInput:
    """About version 1 where a version is needed."""
    command = Command(command)
    if command in (Command.GRANT, Command.REQUEST):
        fields = {"version": 1, **fields}
    return CommandInput(purpose=purpose, command=command, **fields)


def a_submission(
    who: SubjectReference,
    *commands: CommandInput,
    controller: str = "ansettr",
    key: str | None = None,
    body: str = "",
) -> Submission:
    """By the controller's CRM. `key` is an idempotency key, `body` stands for the request it came with."""
    claim = None
    if key is not None:
        claim = Idempotency(
            key=sha256(f"{controller}\0crm\0{key}".encode()).digest(),
            fingerprint=sha256(body.encode()).digest(),
        )
    return Submission(Caller(controller, "crm"), who, commands, idempotency=claim)


async def together(*submissions: Awaitable[Answer]) -> list[Any]:
    """Answers and refusals of what arrives at one moment, in their order."""
    return list(await asyncio.gather(*submissions, return_exceptions=True))


def kinds(outcomes: Sequence[Any]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def sequence_of(answer: Answer) -> int:
    record = answer.results[0].record
    assert record is not None
    return record.sequence


async def refusal_of(answering: Awaitable[Answer]) -> Any:
    """The refusal that is raised, whatever its class; a replayed one has a class of its own."""
    try:
        answer = await answering
    except ConsentError as refusal:
        return refusal
    raise AssertionError(f"not refused: {answer}")


async def faults_of(
    database: TestDatabase,
    controller: str | None = None,
    persons_read: int = 500,
    keyring: Keyring = KEYRING,
) -> list[Fault]:
    """What a walk as the auditor finds."""
    faults: list[Fault] = []
    async with open_database(
        database.url("consent_auditor"),
        connections_max=1,
        statement_timeout_s=10,
        lock_timeout_s=5,
        name="tests",
    ) as opened:
        walk = Verification(opened, keyring, report=faults.append, persons_read=persons_read)
        await walk.run(controller)
    return faults
