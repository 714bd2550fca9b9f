"""A new group begins with what stands, whenever it was said, unless it is told to begin elsewhere (R34)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from consent_client.model import Change
from consent_client.recipient import Begin, MemoryStore
from consent_client.recipient.answers import Answer
from consent_client.recipient.catching_up import CatchUp
from consent_client.recipient.handling import Duty
from consent_client.recipient.reading import Reading

from consent_service.embedded import KafkaServer
from tests.clients.recipient.systems import GROUP, QUICK, System, obeying, only, until
from tests.clients.recipient.test_catching_up import STEADY, forget_changes
from tests.clients.recipient.test_parked import beside
from tests.clients.recipient.test_recipient import all_committed
from tests.clients.recipient.topics import PARTITIONS, Topics, a_standing, a_step
from tests.events.streams import subject


async def test_R34_a_new_group_hears_what_was_said_before_the_changes_that_kafka_keeps(
    topics: Topics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await topics.tell(*(a_step(number, sequence) for sequence in (1, 2) for number in range(1, 9)))
    await topics.tell_states(*(a_standing(number, 2) for number in range(1, 9)))
    await forget_changes(topics)
    system = System()

    async with obeying(system, topics, tmp_path / "recipient.db", limits=STEADY):
        await until(lambda: len(system.done) == 8)
        await topics.tell(*(a_step(number, 3) for number in range(1, 9)))
        await all_committed(topics, 24)

    assert [system.of(number) for number in range(1, 9)] == [["stop 2", "start 3"]] * 8
    assert await topics.outcomes(1) == ["2 stopped", "3 started"]
    assert "restored" not in caplog.text


async def test_what_is_told_by_states_and_by_changes_is_handled_once(topics: Topics) -> None:
    await topics.tell(*(a_step(1, sequence) for sequence in (1, 2, 3)))
    await topics.tell_states(a_standing(1, 3))
    system = System()

    async with obeying(system, topics):
        await topics.tell(a_step(1, 4))
        await all_committed(topics, 4)

    assert system.of(1) == ["start 3", "stop 4"]
    assert await topics.outcomes(1) == ["3 started", "4 stopped"]


async def test_one_that_wants_every_step_begins_with_the_first_change_that_is_kept(topics: Topics) -> None:
    await topics.tell(*(a_step(1, sequence) for sequence in (1, 2, 3)))
    await topics.tell_states(a_standing(1, 3), a_standing(2, 1))
    system = System()

    async with obeying(system, topics, begin=Begin.EARLIEST):
        await all_committed(topics, 3)

    assert system.done == [(1, "start 1"), (1, "stop 2"), (1, "start 3")]


async def test_one_that_begins_now_hears_only_what_comes_and_all_of_it(
    topics: Topics, tmp_path: Path
) -> None:
    await topics.tell(a_step(1, 1))
    await topics.tell_states(a_standing(1, 1))
    system, file = System(), tmp_path / "recipient.db"
    async with obeying(system, topics, file, begin="now"):
        # It is known from where on it hears, before anything has come.
        await all_committed(topics, 1)

    await topics.tell(a_step(1, 2))
    again = System()
    async with obeying(again, topics, file, begin="now"):
        await all_committed(topics, 2)

    assert system.done == []
    assert again.done == [(1, "stop 2")]


async def test_where_else_a_group_could_begin_is_not_known(topics: Topics) -> None:
    with pytest.raises(ValueError, match="whenever"):
        await System().run(kafka=topics.bootstrap, controller="ansettr", begin="whenever")


class Stuck(System):
    """Gets no further than ten."""

    async def _note(self, verb: str, change: Change) -> Answer:
        if len(self.done) >= 10:
            await asyncio.Event().wait()
        return await super()._note(verb, change)


async def test_R34_a_first_start_that_was_cut_off_is_gone_through_once_more(
    topics: Topics, tmp_path: Path
) -> None:
    await topics.tell_states(*(a_standing(number, 1) for number in range(40)))
    await topics.tell(*(a_step(number, 1) for number in range(40)))
    cut_off, file = Stuck(), tmp_path / "recipient.db"
    limits = msgspec.structs.replace(QUICK, finish_s=0.05)
    async with obeying(cut_off, topics, file, limits=limits):
        await until(lambda: len(cut_off.done) >= 10)
    assert await topics.committed(GROUP) < 40

    again = System()
    async with obeying(again, topics, file):
        await all_committed(topics, 40)

    assert {number for number, _ in [*cut_off.done, *again.done]} == set(range(40))


async def test_R31_a_restored_ledger_is_noticed_by_one_that_has_heard_states_alone(
    topics: Topics, tmp_path: Path
) -> None:
    lost, file = beside(1), tmp_path / "recipient.db"
    await topics.tell_states(a_standing(1, 1), a_standing(lost, 1))
    await topics.beat("changes")
    first = System()
    async with obeying(first, topics, file):
        await all_committed(topics, PARTITIONS)

    await topics.tell_states(a_standing(1, 1, ledger_epoch=2))
    await topics.tell(a_step(1, 1, ledger_epoch=2))
    again = System()
    async with obeying(again, topics, file):
        await all_committed(topics, PARTITIONS + 1)

    assert sorted(first.done) == [(1, "start 1"), (lost, "start 1")]
    assert again.of(lost) == ["stop 0"]


async def test_a_first_start_waits_for_states_that_are_still_to_be_filled_in(
    topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    await topics.tell_states(a_standing(1, 1))
    await topics.beat(filled=False)
    system = System()

    async with obeying(system, topics):
        await until(lambda: f"trying again: {topics.prefix}.state.v1 is being filled" in caplog.messages)
        assert system.done == []
        await topics.tell_states(a_standing(2, 2))
        await topics.beat()
        await until(lambda: len(system.done) == 2)

    assert (system.of(1), system.of(2)) == (["start 1"], ["stop 2"])


async def test_a_first_start_waits_for_a_topic_of_states_that_is_not_there_yet(
    kafka: KafkaServer, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    early = Topics(kafka.bootstrap, topics.prefix + ".early")
    await early.make("changes", "acks")
    await early.tell(a_step(1, 1), a_step(1, 2))
    system = System()

    async with obeying(system, early):
        await until(lambda: f"trying again: {early.prefix}.state.v1 is not there" in caplog.messages)
        assert system.done == []
        await early.make("state")
        await all_committed(early, 2)

    assert system.of(1) == ["start 1", "stop 2"]


async def test_R34_a_state_that_fails_without_a_lasting_store_goes_with_its_partition(topics: Topics) -> None:
    """It is nowhere on the changes: what is committed must lead whoever is next back to it."""
    other = beside(1)
    await topics.tell_states(a_standing(1, 2))
    await topics.tell(a_step(other, 1))
    first, second = System(fails=only(1)), System(fails=only(1))

    async with obeying(first, topics, MemoryStore()):
        await until(lambda: first.counters.parked == 1 and first.of(other) == ["start 1"])
        async with obeying(second, topics, MemoryStore()):
            await until(lambda: second.counters.lag is not None)
        first.fails = lambda _: False
        await until(lambda: first.of(1) == ["stop 2"])
        await all_committed(topics, 1)


async def test_of_as_many_partitions_only_the_one_with_the_same_number_is_read(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    await topics.tell_states(*(a_standing(number, 1) for number in range(30)))
    states = CatchUp(
        topics.bootstrap, topics.prefix, {}, Duty("ansettr", "system", ("nyhetsbrev",)), MemoryStore()
    )
    asked: list[set[int]] = []
    read = Reading.messages

    def noted(self: Reading, partitions: Collection[int]) -> Any:
        asked.append(set(partitions))
        return read(self, partitions)

    monkeypatch.setattr(Reading, "messages", noted)

    async def all_of(partitions: int) -> list[str]:
        found = [await states.what_stands(one, partitions, filled=True) for one in range(partitions)]
        return sorted(told.subject for some in found for told in some)

    everybody = sorted(str(subject(number)) for number in range(30))
    assert await all_of(PARTITIONS) == everybody
    assert asked == [{number} for number in range(PARTITIONS)]
    assert await all_of(4) == everybody
    assert asked[PARTITIONS:] == [set(range(PARTITIONS))] * 4
