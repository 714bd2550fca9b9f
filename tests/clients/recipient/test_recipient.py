"""A recipient on a real Kafka: what it is asked, what it keeps, what it says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from consent_client import clock
from consent_client.model import Change
from consent_client.recipient import Accepted, Store
from consent_client.recipient.answers import Answer
from consent_client.words import Outcome

from consent_service.domain.values import Command
from tests.builders import day
from tests.clients.recipient.systems import GROUP, System, obeying, only, until
from tests.clients.recipient.topics import Topics, a_step, about_the_person
from tests.events.streams import eventually, subject


async def all_committed(topics: Topics, count: int) -> None:
    async def committed() -> bool:
        return await topics.committed(GROUP) == count

    await eventually(committed)


async def test_R34_each_change_is_handled_in_order_acknowledged_and_committed(
    topics: Topics, new_store: Callable[[], Store]
) -> None:
    await topics.tell(*(a_step(number, sequence) for sequence in (1, 2, 3) for number in range(20)))
    system = System()

    async with obeying(system, topics, new_store()):
        await until(lambda: len(system.done) == 60)
        await all_committed(topics, 60)

    assert [system.of(number) for number in range(20)] == [["start 1", "stop 2", "start 3"]] * 20
    assert await topics.outcomes(7) == ["1 started", "2 stopped", "3 started"]
    assert len(await topics.acknowledgements()) == 60
    assert (system.counters.handled, system.counters.acknowledged) == (60, 60)


async def test_only_its_controller_and_its_purposes_concern_it(topics: Topics) -> None:
    await topics.tell(
        a_step(1, 1, controller="coness"),
        a_step(1, 2, purpose="rekruttering"),
        a_step(1, 3),
        a_step(2, 1),
        about_the_person(3, 1, controller="coness"),
    )
    system = System()

    async with obeying(system, topics):
        await all_committed(topics, 5)

    assert sorted(system.done) == [(1, "start 3"), (2, "start 1")]


async def test_R13_what_is_about_the_person_stops_all_its_purposes_with_one_word(topics: Topics) -> None:
    await topics.tell(a_step(1, 1), about_the_person(1, 2))
    system = System()
    system.purposes = ("nyhetsbrev", "rekruttering")

    async with obeying(system, topics):
        await all_committed(topics, 2)

    assert system.of(1) == ["start 1", "stop 2", "stop 2"]
    assert system.purposes_seen == ["nyhetsbrev", "nyhetsbrev", "rekruttering"]
    assert await topics.outcomes(1) == ["1 started", "2 stopped"]


async def test_a_consent_that_has_ended_meanwhile_starts_nothing(topics: Topics) -> None:
    await topics.tell(a_step(1, 1, until=day(2)), a_step(2, 1, until=clock.now() + timedelta(days=1)))
    system = System()

    async with obeying(system, topics):
        await all_committed(topics, 2)

    assert (system.of(1), system.of(2)) == (["stop 1"], ["start 1"])


async def test_R27_a_repetition_is_known_by_its_sequence_also_after_a_restart(
    topics: Topics, new_store: Callable[[], Store]
) -> None:
    store = new_store()
    await topics.tell(a_step(1, 1), a_step(1, 2), a_step(1, 1), a_step(1, 2, replayed=True))
    first = System()
    async with obeying(first, topics, store):
        await all_committed(topics, 4)

    await topics.tell(a_step(1, 2), a_step(1, 3))
    second = System()
    async with obeying(second, topics, new_store() if store.durable else store):
        await all_committed(topics, 6)

    assert (first.of(1), first.counters.repeated) == (["start 1", "stop 2"], 2)
    assert (second.of(1), second.counters.repeated) == (["start 3"], 1)
    # A repetition of the last one repeats its word, under the same id.
    words = [word for word in await topics.acknowledgements() if word.outcome == 1]
    assert len(words) == 3
    assert len({word.SerializeToString(deterministic=True) for word in words}) == 1


@pytest.mark.parametrize("outcome", [Outcome.NOT_HELD, Outcome.ERASED])
async def test_R34_the_word_is_what_the_handler_says(topics: Topics, outcome: Outcome) -> None:
    await topics.tell(a_step(1, 2))
    system = System()
    system.answer = outcome

    async with obeying(system, topics):
        await all_committed(topics, 1)

    assert await topics.outcomes(1) == [f"2 {outcome}"]


async def test_R34_accepted_tells_by_when_and_a_later_word_settles_it(topics: Topics) -> None:
    await topics.tell(a_step(1, 2))
    due_at = clock.now().replace(microsecond=0) + timedelta(days=2)
    system = System()
    system.answer = Accepted(due_at)

    async with obeying(system, topics):
        await all_committed(topics, 1)
        [accepted] = await topics.acknowledgements()
        await system.acknowledge(a_step(1, 2).record_id, subject(1), Outcome.STOPPED)

    assert accepted.due_at.seconds == int(due_at.timestamp())
    assert await topics.outcomes(1) == ["2 accepted", "2 stopped"]


async def test_what_is_no_answer_counts_as_a_failure(topics: Topics) -> None:
    await topics.tell(a_step(1, 2))
    system = System()
    system.answer = "done"  # type: ignore[assignment]

    async with obeying(system, topics):
        await until(lambda: system.counters.parked == 1)

    assert await topics.outcomes(1) == ["2 failed"]


async def test_a_promise_without_a_time_zone_is_its_handlers_failure_and_nobody_elses(topics: Topics) -> None:
    await topics.tell(a_step(1, 2))

    class Careless(System):
        async def stop(self, change: Change) -> Answer:
            await super().stop(change)
            if change.subject_id == subject(1):
                return Accepted(datetime(2030, 1, 1))
            return None

    system = Careless()
    async with obeying(system, topics):
        await until(lambda: system.counters.parked == 1)
        await topics.tell(a_step(2, 2))
        await until(lambda: system.of(2) == ["stop 2"])
        with pytest.raises(ValueError, match="time zone"):
            await system.acknowledge(
                a_step(1, 2).record_id, subject(1), Outcome.ACCEPTED, datetime(2030, 1, 1)
            )

    assert await topics.outcomes(1) == ["2 failed"]
    assert await topics.outcomes(2) == ["2 stopped"]


async def test_a_failure_is_logged_with_its_record_and_nothing_of_the_person(
    topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "consent_client")
    await topics.tell(a_step(1, 1), a_step(2, 1))
    garbled = await topics.garble(3)
    system = System(fails=only(1))

    async with obeying(system, topics):
        await until(lambda: system.counters.parked == 2)

    ours = [record.getMessage() for record in caplog.records if record.name.startswith("consent_client")]
    failed, parked = (
        f"record {a_step(1, 1).record_id}",
        "an event is parked, and with it all that this person's",
    )
    assert any(
        line.startswith(f"the handler failed on {failed}: RuntimeError at systems.py:") for line in ours
    )
    assert sorted(line.rpartition(": ")[2] for line in ours if line.startswith(parked)) == [
        f"handler-failed, {failed}",
        f"not-understood, {garbled}",
    ]
    assert [line for line in ours for number in (1, 2, 3) if str(subject(number)) in line] == []


async def test_an_erasure_reaches_the_handler_by_its_command(topics: Topics) -> None:
    await topics.tell(about_the_person(1, 1, command=Command.ERASE))
    system = System()
    system.answer = Outcome.ERASED

    async with obeying(system, topics):
        await all_committed(topics, 1)

    assert await topics.outcomes(1) == ["1 erased"]
