"""A controller's ledger and topics of each test's own."""

from __future__ import annotations

from typing import Any

import pytest
from consent_client.gate import ConsentGate

from consent_service.embedded import KafkaServer
from tests.databases import TestDatabase
from tests.events.streams import Stream


@pytest.fixture
async def stream(database: TestDatabase, kafka: KafkaServer) -> Stream:
    """Ansettr with a newsletter, in a database and under a topic prefix of this test's own."""
    made = Stream(database, kafka.bootstrap)
    await made.prepare()
    return made


def gate_on(stream: Stream, **options: Any) -> ConsentGate:
    """Ansettr's, on this test's own topics."""
    return ConsentGate.kafka(stream.bootstrap, controller="ansettr", prefix=stream.prefix, **options)
