"""Where Kafka is not, a gate, a recipient and consent-watch say so once, and once that it is there again."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import msgspec
import pytest

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer
from consent_service.embedded.ports import free_port
from tests.clients.gate.told import Told
from tests.clients.recipient import systems
from tests.clients.recipient.systems import QUICK, System, obeying
from tests.clients.recipient.topics import Topics, a_step

LATE = msgspec.structs.replace(QUICK, answer_s=5.0)
GATE, RECIPIENT = "consent_client.gate.kafka", "consent_client.recipient"
#: So often aiokafka complains, at least, before the broker comes.
COMPLAINTS = 10
#: Both wait longer and longer between two tries.
PATIENCE_S = 45.0

until = partial(systems.until, patience_s=PATIENCE_S)


@pytest.mark.timeout(180)
async def test_a_gate_and_a_recipient_say_once_where_kafka_is_not_and_once_that_it_is_there_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (None, "aiokafka"):  # whose level our own commands set, for a process of their own
        caplog.set_level(logging.WARNING, name)
    port = free_port()
    address, system = f"127.0.0.1:{port}", System()
    topics, told = Topics(address, "late"), Told(address, "late")

    def said(by: str, beginning: str) -> list[str]:
        everything = [record.getMessage() for record in caplog.records if record.name == by]
        return [one for one in everything if one.startswith(beginning)]

    def complaints() -> int:
        return sum(record.name.startswith("aiokafka") for record in caplog.records)

    async with told.gate() as gate, obeying(system, topics, limits=LATE):
        await until(lambda: complaints() > COMPLAINTS)
        for by in (GATE, RECIPIENT):
            [once] = said(by, "")
            assert once == f"Kafka cannot be reached at {address} (KafkaConnectionError); it is tried again"
        assert gate.knowledge.why == f"Kafka at {address} has not answered yet"
        async with KafkaServer(tmp_path / "kafka", cache_dir=cache_dir(), port=port) as broker:
            await topics.make()
            await topics.tell(a_step(1, 1))
            await until(lambda: bool(system.done))
            await until(lambda: bool(said(GATE, "Kafka is")))
            for by in (GATE, RECIPIENT):
                assert said(by, "Kafka is") == [f"Kafka is reached again at {address}"]
            await broker.kill()
            await until(lambda: all(len(said(by, "Kafka cannot")) == 2 for by in (GATE, RECIPIENT)))
            await broker.restart()
            await until(lambda: all(len(said(by, "Kafka is")) == 2 for by in (GATE, RECIPIENT)))
