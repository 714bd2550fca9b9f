"""Whose record a person is: asked for once, sealed at rest, known also after the erasure (R35)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest
from consent_client.errors import UNEXPLAINED, ConsentError, Refused
from consent_client.model import Change
from consent_client.recipient import MappingKey, MappingUnreadable, MemoryStore, SqliteStore, Store
from consent_client.recipient.answers import Answer
from consent_client.recipient.mapping import OwnRecords
from consent_client.words import Outcome

from consent_service.domain.values import Command
from tests.clients.recipient.systems import System, obeying
from tests.clients.recipient.test_recipient import all_committed
from tests.clients.recipient.topics import Topics, a_step, about_the_person
from tests.events.streams import subject

OWNER = "ansettr/system"
FIRST, SECOND = MappingKey("k1", bytes(range(32))), MappingKey("k2", bytes(range(1, 33)))
MARKED = "candidate-4711-marked"


@pytest.fixture
async def store(new_store: Callable[[], Store]) -> AsyncIterator[Store]:
    made = new_store()
    await made.open(OWNER)
    yield made
    await made.close()


async def test_what_is_remembered_is_recalled_and_forgotten(store: Store) -> None:
    records = OwnRecords(store, [FIRST], OWNER)
    await records.remember(subject(1), MARKED)
    await records.remember(subject(2), "other")

    assert await records.recall(subject(1)) == MARKED
    assert await records.recall(subject(3)) is None
    await records.forget(subject(1))
    assert await records.recall(subject(1)) is None
    assert await records.recall(subject(2)) == "other"


async def test_the_file_tells_neither_who_nor_what(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "recipient.db")
    await store.open(OWNER)
    await OwnRecords(store, [FIRST], OWNER).remember(subject(1), MARKED)
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    await store.close()

    assert b"records" in written
    for told in (MARKED.encode(), str(subject(1)).encode(), subject(1).bytes, subject(1).hex.encode()):
        assert told not in written


async def test_an_older_key_still_opens_and_the_first_one_seals_anew(store: Store) -> None:
    await OwnRecords(store, [FIRST], OWNER).remember(subject(1), MARKED)

    assert await OwnRecords(store, [SECOND], OWNER).recall(subject(1)) is None
    assert await OwnRecords(store, [SECOND, FIRST], OWNER).recall(subject(1)) == MARKED
    assert await OwnRecords(store, [SECOND], OWNER).recall(subject(1)) == MARKED
    assert await OwnRecords(store, [FIRST], OWNER).recall(subject(1)) is None


async def test_what_was_tampered_with_is_refused(store: Store) -> None:
    records = OwnRecords(store, [FIRST], OWNER)
    await records.remember(subject(1), MARKED)
    lock = records._locks[0]
    kept = await store.read_record([lock.hash(subject(1))])
    assert kept is not None
    await store.write_record(type(kept)(lock.hash(subject(2)), kept.key_id, kept.sealed), [])

    with pytest.raises(MappingUnreadable):
        await records.recall(subject(2))


async def test_two_recipients_with_one_key_find_nothing_of_each_other() -> None:
    store = MemoryStore()
    await OwnRecords(store, [FIRST], OWNER).remember(subject(1), MARKED)

    assert await OwnRecords(store, [FIRST], "ansettr/other").recall(subject(1)) is None


async def test_without_a_key_it_says_what_to_do() -> None:
    with pytest.raises(ConsentError, match="mapping_keys"):
        await OwnRecords(MemoryStore(), [], OWNER).remember(subject(1), MARKED)
    with pytest.raises(ValueError, match="needs 32"):
        MappingKey("k1", b"short")
    assert "\\x" not in repr(FIRST)


class Identifier(NamedTuple):
    type: str
    value: str


class Register:
    """Tells identifiers, until the person is erased; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[UUID] = []
        self.erased: set[UUID] = set()

    async def identifiers(self, subject_id: UUID) -> Sequence[Identifier]:
        self.asked.append(subject_id)
        if subject_id in self.erased:
            raise Refused(410, "erased", "The person was erased; nothing is known of them.")
        return [Identifier("email", f"{subject_id.int & 0xFF}@example.org")]


class Candidates(System):
    """Holds whom it finds by e-mail; erases them when they say no."""

    def __init__(self, held: dict[str, str]) -> None:
        super().__init__()
        self.held = held

    async def find(self, identifiers: Sequence[Identifier]) -> str | None:
        return next((self.held[one.value] for one in identifiers if one.value in self.held), None)

    async def start(self, change: Change) -> Answer:
        await self.record_of(change.subject_id)
        return await super().start(change)

    async def stop(self, change: Change) -> Answer:
        own_id = await self.record_of(change.subject_id)
        if own_id is None:
            return Outcome.NOT_HELD
        self.held = {mail: held for mail, held in self.held.items() if held != own_id}
        await self.forget(change.subject_id)
        return Outcome.ERASED


async def test_R35_a_person_is_asked_for_once_and_found_also_after_the_erasure(
    topics: Topics, new_store: Callable[[], Store]
) -> None:
    register, candidates = Register(), Candidates({"1@example.org": MARKED, "9@example.org": "other"})
    store = new_store()
    options = {"client": register, "mapping_keys": [FIRST]}
    await topics.tell(a_step(1, 1), a_step(1, 3))
    async with obeying(candidates, topics, store, **options):
        await all_committed(topics, 2)
        register.erased |= {subject(1), subject(2)}
        await topics.tell(about_the_person(1, 4, command=Command.ERASE), a_step(2, 2))
        await all_committed(topics, 4)

    assert register.asked == [subject(1), subject(2)]
    assert candidates.held == {"9@example.org": "other"}
    assert await topics.outcomes(1) == ["1 started", "3 started", "4 erased"]
    assert await topics.outcomes(2) == ["2 not_held"]


class Misled(Register):
    """Before it tells anything, something else answers in its place."""

    async def identifiers(self, subject_id: UUID) -> Sequence[Identifier]:
        if not self.asked:
            self.asked.append(subject_id)
            raise Refused(404, UNEXPLAINED, "The answer is no problem document.")
        return await super().identifiers(subject_id)


async def test_R35_whoever_answers_without_a_reason_has_not_said_that_nobody_is_there(
    topics: Topics, new_store: Callable[[], Store]
) -> None:
    register, candidates = Misled(), Candidates({"1@example.org": MARKED})
    options = {"client": register, "mapping_keys": [FIRST]}
    await topics.tell(a_step(1, 2))
    async with obeying(candidates, topics, new_store(), **options):
        await all_committed(topics, 1)

    assert await topics.outcomes(1) == ["2 erased"]
    assert candidates.held == {}


async def test_asked_outside_a_run_it_says_so() -> None:
    with pytest.raises(ConsentError, match="does not run"):
        await System().record_of(subject(1))
