"""A topic is deleted while many speak: the ledger goes on, and in the end the topic has it all."""

from __future__ import annotations

import logging

import pytest

from consent_service.embedded import KafkaServer
from tests.events.streams import administrator, eventually
from tests.faults.account import read_events, read_ledger, read_states
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.soak import soak

pytestmark = pytest.mark.soak
_log = logging.getLogger(__name__)

TIMES = soak(1, 10)
CLIENTS = 16
PAUSE_S = 0.05
BETWEEN = 60


@pytest.mark.timeout(soak(180, 1200))
async def test_R31_topics_deleted_under_load_are_filled_again_by_themselves(
    stage: Stage, kafka: KafkaServer
) -> None:
    service = await stage.start()
    load = Load([stage.url], stage.token, await stage.persons(), seed=31)
    async with load.running(CLIENTS, pause_s=PAUSE_S):
        for time in range(TIMES):
            await load.more(BETWEEN)
            async with administrator(kafka.bootstrap) as admin:
                await admin.delete_topics([stage.topic, stage.state_topic])
            await load.more(BETWEEN)
            _log.info("deleted %d of %d, %d decided", time + 1, TIMES, load.decided)

    await eventually(lambda: is_full(stage, kafka))
    await stage.holds(load)
    assert await service.process.stop() == 0


async def is_full(stage: Stage, kafka: KafkaServer) -> bool:
    """Whether every record has an event on its topic, and the last of each subject and purpose its state."""
    rows = await read_ledger(stage.database)
    told = {event.event_id for event in await read_events(kafka.bootstrap, stage.topic)}
    states = await read_states(kafka.bootstrap, stage.state_topic)
    stood = {key: state.sequence for key, state in states.items()}
    last = {(row["subject_id"], row["purpose"]): row["sequence"] for row in rows}
    return len(told) == len(rows) and stood == last
