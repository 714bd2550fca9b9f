"""Where changes are gone unread, or the ledger came back from a backup, what stands is taken from the state topic."""

from __future__ import annotations

from pathlib import Path

import msgspec
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition

from tests.clients.recipient.systems import QUICK, System, obeying, until
from tests.clients.recipient.test_recipient import all_committed
from tests.clients.recipient.topics import PARTITIONS, Topics, a_standing, a_step
from tests.events.streams import administrator, consumer

STEADY = msgspec.structs.replace(QUICK, finish_s=5.0)


async def forget_changes(topics: Topics) -> None:
    """As Kafka does after thirty days."""
    places = [TopicPartition(topics.changes, number) for number in range(PARTITIONS)]
    async with consumer(topics.bootstrap) as reader:
        ends = await reader.end_offsets(places)
    async with administrator(topics.bootstrap) as admin:
        await admin.delete_records(
            {place: RecordsToDelete(before_offset=ends[place]) for place in places if ends[place]}
        )


async def test_R31_a_new_ledger_epoch_stops_what_the_ledger_does_not_know_any_more(
    topics: Topics, tmp_path: Path
) -> None:
    file = tmp_path / "recipient.db"
    await topics.tell(*(a_step(number, sequence) for number in (1, 2, 3) for sequence in (1, 2, 3)))
    system = System()
    async with obeying(system, topics, file):
        await all_committed(topics, 9)

    # Restored: of 1 the ledger knows the withdrawal, of 2 nothing, of 3 all; only 1 says something new.
    await topics.tell_states(
        a_standing(1, 2, ledger_epoch=2), a_standing(2, 3), a_standing(3, 3, ledger_epoch=2)
    )
    restored = System()
    async with obeying(restored, topics, file):
        await topics.tell(*(a_step(number, 2, ledger_epoch=2) for number in (1, 3)))
        await topics.tell(a_step(3, 3, ledger_epoch=2), a_step(2, 1, ledger_epoch=2))
        await until(lambda: "start 1" in restored.of(2))
        await until(lambda: "start 3" in restored.of(3))
        await all_committed(topics, 13)

    assert restored.of(1) == ["stop 2"]
    assert restored.of(2) == ["stop 0", "start 1"]
    assert restored.of(3)[-1] == "start 3"
    # What nobody has a record of is nobody's to acknowledge.
    assert await topics.outcomes(2) == ["1 started", "2 stopped", "3 started"]
    again = System()
    async with obeying(again, topics, file):
        await topics.tell(a_step(1, 4, ledger_epoch=2))
        await until(lambda: again.of(1) == ["stop 4"])
    assert again.done == [(1, "stop 4")]


async def test_R31_a_state_that_nobody_understands_does_not_keep_a_new_ledger_epoch_from_anybody_else(
    topics: Topics, tmp_path: Path
) -> None:
    file = tmp_path / "recipient.db"
    await topics.tell(a_step(1, 1), a_step(2, 1))
    async with obeying(System(), topics, file):
        await all_committed(topics, 2)

    await topics.tell_states(a_standing(1, 2, ledger_epoch=2))
    await topics.garble_state(2)
    restored = System()
    async with obeying(restored, topics, file):
        await topics.tell(*(a_step(number, 2, ledger_epoch=2) for number in (1, 2)))
        await until(lambda: restored.of(1) == ["stop 2"] and restored.counters.parked == 1)

    assert restored.of(2) == []


async def test_R34_changes_that_are_gone_before_they_were_read_are_made_good(
    topics: Topics, tmp_path: Path
) -> None:
    file = tmp_path / "recipient.db"
    await topics.tell(*(a_step(number, 1) for number in range(1, 9)))
    async with obeying(System(), topics, file):
        await all_committed(topics, 8)

    # While it is away all withdraw, and Kafka keeps none of it. On each partition something else follows, if only a
    # heartbeat.
    await topics.tell(*(a_step(number, 2) for number in range(1, 9)))
    await topics.tell_states(*(a_standing(number, 2) for number in range(1, 9)))
    await forget_changes(topics)
    await topics.tell(*(a_step(number, 1) for number in range(100, 160)))
    system = System()
    async with obeying(system, topics, file, limits=STEADY):
        await all_committed(topics, 76)

    assert [system.of(number) for number in range(1, 9)] == [["stop 2"]] * 8
    assert await topics.outcomes(1) == ["1 started", "2 stopped"]
