"""Both worlds, told once for the whole run."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.usecases.submissions import Caller
from tests.databases import drop
from tests.events.feeds import Topic, change, read
from tests.http.issuers import Issuer
from tests.tenancy.comparing import Worlds
from tests.tenancy.world import OWNER, STRANGER
from tests.tenancy.worlds import Stage


@pytest.fixture(scope="session")
async def worlds(postgres: PostgresServer, kafka: KafkaServer) -> AsyncIterator[Worlds]:
    async with Topic(kafka.bootstrap, "tenancy", 1).open() as topic, topic.feed(heartbeat_s=0.1) as feed:
        event = await feed.newest(OWNER)
        await topic.publish([change(1, 1, controller=OWNER), change(2, 1, controller=STRANGER)])
        await read(await feed.open(Caller(STRANGER, "test"), event), 1)
        stage = Stage(postgres, Issuer(), feed, event)
        alone = await stage.alone()
        shared = await stage.shared(alone)
        yield await Worlds.found(stage, alone, shared)
        for told in (alone, shared):
            await drop(postgres, told.database)
