"""A person whose event cannot be handled waits, durably and in order; all others go on (R34)."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
from consent_client.recipient import MemoryStore, Store

from consent_service.domain.partitions import subject_hash
from consent_service.domain.values import Command
from tests.clients.recipient.systems import GROUP, QUICK, System, obeying, only, until
from tests.clients.recipient.test_recipient import all_committed
from tests.clients.recipient.topics import PARTITIONS, Topics, a_step
from tests.events.streams import eventually, subject
from tests.processes import ROOT


def beside(number: int) -> int:
    """Another subject of the same partition."""
    wanted = subject_hash(subject(number)) % PARTITIONS
    return next(n for n in range(number + 1, 1000) if subject_hash(subject(n)) % PARTITIONS == wanted)


async def test_R34_later_events_wait_behind_a_failure_and_come_in_order_once_the_handler_heals(
    topics: Topics, new_store: Callable[[], Store]
) -> None:
    other = beside(1)
    await topics.tell(a_step(1, 1), a_step(1, 2), a_step(other, 1), a_step(1, 3), a_step(other, 2))
    system = System(fails=lambda change: change.sequence == 1 and change.subject_id == subject(1))

    async with obeying(system, topics, store := new_store()):
        await until(lambda: system.tries[1] > 6 and system.of(other) == ["start 1", "stop 2"])
        # Words of the tries that failed: one, however often it is tried again.
        assert await topics.outcomes(1) == ["1 failed"]
        assert system.of(1) == []
        assert system.counters.parked == 1
        if store.durable:
            await all_committed(topics, 5)

        system.fails = lambda _: False
        await until(lambda: len(system.of(1)) == 3)
        await all_committed(topics, 5)
        await until(lambda: system.counters.parked == 0)

    assert system.of(1) == ["start 1", "stop 2", "start 3"]
    assert await topics.outcomes(1) == ["1 failed", "1 started", "2 stopped", "3 started"]
    [letter] = await topics.dead_letters()
    assert (letter.reason, letter.offset, letter.topic) == ("handler-failed", 0, topics.changes)
    assert (letter.type, letter.recipient) == ("consent.changed.v1", "system")


async def test_R34_what_waits_is_still_tried_after_a_restart(
    topics: Topics, new_store: Callable[[], Store]
) -> None:
    store = new_store()
    await topics.tell(a_step(1, 1), a_step(1, 2))
    broken = System(fails=only(1))
    async with obeying(broken, topics, store):
        await until(lambda: broken.counters.parked == 1)
        if store.durable:
            await all_committed(topics, 2)

    await topics.tell(a_step(1, 3), a_step(2, 1))
    healed = System()
    async with obeying(healed, topics, new_store()):
        await until(lambda: len(healed.done) == 4)

    assert healed.of(1) == ["start 1", "stop 2", "start 3"]


async def test_without_a_lasting_store_a_failing_person_holds_the_progress_but_nobody_else(
    topics: Topics,
) -> None:
    other = beside(1)
    await topics.tell(a_step(1, 1), a_step(other, 1))
    system = System(fails=only(1))

    async with obeying(system, topics, MemoryStore()):
        await until(lambda: system.counters.parked == 1 and system.of(other) == ["start 1"])
        await until(lambda: bool(system.counters.lag) and system.counters.oldest_s > 0)

    assert await topics.committed(GROUP) == 0


async def test_R34_a_message_that_nobody_understands_blocks_its_subject_alone_until_it_is_released(
    topics: Topics, tmp_path: Path, new_store: Callable[[], Store]
) -> None:
    other = beside(1)
    await topics.garble(1)
    await topics.tell(a_step(1, 2), a_step(other, 1))
    system = System()

    async with obeying(system, topics, store := new_store()):
        await until(lambda: system.of(other) == ["start 1"] and system.counters.parked == 1)
        assert system.of(1) == []
        # Tried again, in case a later release understands it.
        await until(lambda: system.counters.not_understood > 3)
        assert await system.retry(subject(1))
        assert await system.release(subject(1))
        await until(lambda: system.of(1) == ["stop 2"])
        assert not await system.release(subject(2))
        assert store is not None

    [letter] = await topics.dead_letters()
    assert (letter.reason, letter.value, letter.offset) == ("not-understood", b"\xff\xff\xff", 0)


async def test_an_event_that_fails_behind_another_is_complained_about_too(
    topics: Topics, tmp_path: Path
) -> None:
    await topics.tell(a_step(1, 1), a_step(1, 2))
    system = System(fails=only(1))

    async with obeying(system, topics, tmp_path / "recipient.db"):
        await until(lambda: system.counters.parked == 1)
        system.fails = lambda change: change.sequence == 2
        await until(lambda: system.of(1) == ["start 1"] and system.tries[1] > 12)

    assert await topics.outcomes(1) == ["1 failed", "1 started", "2 failed"]
    assert [letter.offset for letter in await topics.dead_letters()] == [0, 1]


async def test_a_failure_that_passes_within_the_tries_is_nobody_elses_matter(topics: Topics) -> None:
    await topics.tell(a_step(1, 1))
    system = System()
    system.fails = lambda _: system.tries[1] < QUICK.tries_max

    async with obeying(system, topics):
        await all_committed(topics, 1)

    assert system.tries[1] == QUICK.tries_max
    assert await topics.outcomes(1) == ["1 started"]
    assert await topics.dead_letters() == []


async def test_one_person_who_always_fails_does_not_slow_a_thousand(topics: Topics, tmp_path: Path) -> None:
    poison = [a_step(0, sequence) for sequence in range(1, 101)]
    await topics.tell(*poison, *(a_step(number, 1, command=Command.GRANT) for number in range(1, 1001)))
    system = System(fails=only(0))
    limits = msgspec.structs.replace(QUICK, events_max=50, parked_retry_s=60.0, parked_retry_s_max=60.0)

    async with obeying(system, topics, tmp_path / "recipient.db", limits=limits):
        await until(lambda: len(system.done) == 1000)

        async def committed() -> bool:
            return await topics.committed(GROUP) == 1100

        await eventually(committed)

    assert system.of(0) == []
    assert system.tries[0] < 2 * QUICK.tries_max


async def test_an_operator_sees_what_is_parked_and_releases_it_by_a_command(
    topics: Topics, tmp_path: Path
) -> None:
    file, who = tmp_path / "recipient.db", str(subject(1))
    await topics.garble(1)
    await topics.tell(a_step(1, 2))
    system = System()
    async with obeying(system, topics, file):
        await until(lambda: system.counters.parked == 1)
        await all_committed(topics, 2)

        assert await command("parked", file) == (0, f"{who} events=2 tries=")
        assert (await command("retry", file, who))[0] == 0
        assert (await command("release", file, who))[0] == 0
        await until(lambda: system.of(1) == ["stop 2"])

    assert await command("parked", file) == (0, "")
    assert (await command("release", file, who))[0] == 1


async def command(act: str, file: Path, *subjects: str) -> tuple[int | None, str]:
    """Exit code, and what it prints up to the number of tries."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consent_client.recipient", act, str(file), "ansettr/system", *subjects),
        env={"PYTHONPATH": "clients/python"},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return process.returncode, re.sub(r"(?<=tries=)\d+\s*", "", output.decode())
