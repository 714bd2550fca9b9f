"""`events verify` where relays have yet to fill a topic, or to publish again what they have published (R31)."""

from __future__ import annotations

from uuid import UUID

import pytest

from consent_service.domain.changes import ConsentChange
from consent_service.events.checking.reading import open_reader
from consent_service.events.checking.report import FaultKind
from consent_service.events.wire.encode import encode_state
from tests.events.laid_out import after, altered, changes_of, found, lay_out, publish_all, send, verified
from tests.events.streams import Stream, a_record, subject

FILLED = (
    "insert into filled_topics (topic, shard_group, topic_id, ledger_epoch) "
    "select $1, g, $2, $3 from generate_series(0, 7) g"
)


@pytest.fixture
async def changes(stream: Stream) -> list[ConsentChange]:
    """Three persons with three records each, all on the ledger; nothing is on the stream yet."""
    await stream.append_only([a_record(number, sequence) for number in (1, 2, 3) for sequence in (1, 2, 3)])
    return await changes_of(stream)


async def test_R31_what_a_restore_lost_is_counted_and_is_no_fault(
    stream: Stream, changes: list[ConsentChange]
) -> None:
    """But a state that tells of it is, once the topic is said to be filled under the new epoch."""
    await lay_out(stream, [*changes, altered(changes[0], record_id=UUID(int=7))], changes)
    await stream.run("insert into ledger_epoch (epoch, reason) values (2, 'restored')")
    still_to_be_filled = await verified(stream)
    async with open_reader(stream.bootstrap, client_id="test") as reader:
        ids = await reader.topic_ids([stream.state])
    await stream.run(FILLED, stream.state, ids[stream.state], 2)
    filled = await verified(stream)

    assert still_to_be_filled.faults == []
    assert still_to_be_filled.earlier_epochs == 1
    assert filled.counts == {FaultKind.STALE_STATE: 3}
    assert {fault.detail for fault in filled.faults} == {"of ledger epoch 1, not 2"}


async def test_R31_what_a_relay_has_yet_to_fill_in_again_is_not_lost(
    stream: Stream, changes: list[ConsentChange]
) -> None:
    """Both topics were deleted and made anew; the relay knew them in an earlier life."""
    await lay_out(stream, changes[:3])
    for topic in (stream.changes, stream.state):
        await stream.run(FILLED, topic, UUID(int=7), 1)
    report = await verified(stream)

    assert report.faults == []
    assert report.being_filled == 6 + 2
    assert report.topics_being_filled == [stream.changes, stream.state]


async def test_R31_a_state_that_filling_does_not_put_right_is_a_fault_meanwhile(
    stream: Stream, changes: list[ConsentChange]
) -> None:
    """A yes of no record stays; what an earlier epoch said of somebody on the ledger is told anew."""
    await lay_out(stream, changes)
    await stream.run("insert into ledger_epoch (epoch, reason) values (2, 'restored')")
    for topic in (stream.changes, stream.state):
        await stream.run(FILLED, topic, UUID(int=7), 1)
    states = [
        after(changes[0], subject_id=subject(101)),
        after(changes[0], sequence=4, record_id=UUID(int=7)),
    ]
    await send(stream, [encode_state(state, stream.prefix) for state in states])
    report = await verified(stream)

    assert found(report) == {(FaultKind.UNKNOWN_STATE, subject(101), 1)}


@pytest.mark.parametrize("told", [(1, 2, 3, 4, 5), (1, 2, 5)])
async def test_R31_what_has_come_back_to_the_outbox_waits(stream: Stream, told: tuple[int, ...]) -> None:
    """A database that died has forgotten the deletions of what was published last."""
    await publish_all(stream, [a_record(1, sequence) for sequence in (1, 2)])
    await stream.append([a_record(1, sequence) for sequence in range(3, 8)])
    await lay_out(stream, [one for one in await changes_of(stream) if one.sequence in told[2:]])
    report = await verified(stream)

    assert report.faults == []
    assert report.waiting == 5
