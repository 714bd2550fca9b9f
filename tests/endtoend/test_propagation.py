"""From a withdrawal to the proof that a recipient has acted, through real processes that are killed on the way (R34)."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from consent_client.model import Acknowledgement
from consent_client.wire.reading import read_change
from consent_client.wire.topics import acks_topic, changes_topic, notices_topic
from consent_client.wire.writing import acknowledgement_message
from consent_client.words import Outcome

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeEntry
from consent_service.domain.changes import RecipientLate
from consent_service.domain.purposes import Recipient
from consent_service.domain.values import Basis
from consent_service.embedded import KafkaServer
from consent_service.events.wire.heartbeats import is_heartbeat
from consent_service.events.wire.notices import read_notice
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from tests.builders import NOTICES
from tests.databases import TestDatabase
from tests.events.streams import consumer, eventually, read_to_end
from tests.processes import Service, environment_for, serving, start_service

PURPOSE = PurposeEntry(
    slug="nyhetsbrev",
    legal_bases=(Basis.CONSENT,),
    notices=NOTICES,
    recipients=(
        Recipient(slug="brevo", name="Brevo", role="processor"),
        Recipient(slug="slow", name="Slow", role="processor", deadline="PT1S"),
    ),
)


class Downstream:
    """Brevo: reads every change, and says on Kafka that it has done what it should."""

    def __init__(self, prefix: str, reader: Any, producer: Any) -> None:
        self._prefix = prefix
        self._reader = reader
        self._producer = producer
        self._known: set[UUID] = set()

    async def catches_up(self, upto: set[UUID]) -> None:
        """Until it has answered all of these records."""

        async def done() -> bool:
            for message in await read_to_end(self._reader, changes_topic(self._prefix)):
                if not is_heartbeat(message):
                    await self._answer(message)
            return self._known >= upto

        await eventually(done, 30)

    async def _answer(self, message: Any) -> None:
        change = read_change(message)
        if change.record_id in self._known:
            return
        self._known.add(change.record_id)
        said = acknowledgement_message(
            Acknowledgement(
                acknowledgement_id=uuid4(),
                controller=change.controller,
                recipient="brevo",
                record_id=change.record_id,
                subject_id=change.subject_id,
                outcome=Outcome.STARTED if change.allowed else Outcome.STOPPED,
                at=datetime.now(UTC),
            )
        )
        await self._producer.send_and_wait(
            acks_topic(self._prefix), said.value, said.key, headers=list(said.headers)
        )


@asynccontextmanager
async def downstream(kafka: KafkaServer, prefix: str) -> AsyncIterator[Downstream]:
    async with consumer(kafka.bootstrap) as reader:
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
        await producer.start()
        try:
            yield Downstream(prefix, reader, producer)
        finally:
            await producer.stop()


@pytest.fixture
async def environment(database: TestDatabase, kafka: KafkaServer, tmp_path: Path) -> dict[str, str]:
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        controller = ControllerEntry(slug="ansettr", legal_name="Ansettr AS")
        await Catalogue(opened).load(CatalogueEntries(controller=controller, purposes=(PURPOSE,)), "test")
    connection = await database.connect()
    await connection.execute("update controllers set topic_prefix = $1", prefix_of(database))
    await connection.close()
    return environment_for(
        database,
        tmp_path,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_SWEEPER_DATABASE_URL=database.url("consent_sweeper"),
        CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap,
    )


def prefix_of(database: TestDatabase) -> str:
    return database.name.replace("_", "-")


async def says(client: httpx.AsyncClient, number: int, command: str) -> UUID:
    """The record's id."""
    body = {
        "subject": {"identifiers": [{"type": "email", "value": f"person-{number}@example.org"}]},
        "decisions": [{"purpose": "nyhetsbrev", "command": command, "version": 1}],
    }
    answer = await client.post("/v1/decisions", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["records"][0]["record"]["record_id"])


async def brevos(client: httpx.AsyncClient, record_id: UUID) -> dict[str, Any]:
    """How Brevo stands to a record."""
    answer = (await client.get(f"/v1/records/{record_id}/propagation")).json()
    found: dict[str, Any] = next(one for one in answer["recipients"] if one["recipient"] == "brevo")
    return found


async def settled(client: httpx.AsyncClient) -> bool:
    """Whether Brevo owes nothing."""
    answer = await client.get("/v1/recipients")
    if answer.status_code != 200:
        return False
    return [one["pending"] for one in answer.json()["items"] if one["recipient"] == "brevo"] == [0]


async def test_R34_a_withdrawal_is_proven_to_have_arrived_and_who_is_late_is_told(
    database: TestDatabase, kafka: KafkaServer, environment: dict[str, str]
) -> None:
    prefix = prefix_of(database)
    async with (
        serving(environment) as service,
        service.client() as client,
        downstream(kafka, prefix) as brevo,
    ):
        given, withdrawn = await says(client, 1, "grant"), await says(client, 1, "withdraw")
        await brevo.catches_up({given, withdrawn})
        await eventually(lambda: settled(client))
        found = await brevos(client, withdrawn)
        late = await told_late(kafka, prefix)
        metrics = (await client.get("/metrics")).text

    assert (found["outcome"], found["settled_by"]) == ("stopped", str(withdrawn))
    assert (who_is(late), {one.record_id for one in late}) == ({"slow"}, {given, withdrawn})
    assert 'consent_propagation_seconds_count{controller="ansettr",recipient="brevo"} 2.0' in metrics


def who_is(late: list[RecipientLate]) -> set[str]:
    """Who is late; each of them was told once of each record."""
    assert len({(one.record_id, one.recipient) for one in late}) == len(late)
    return {one.recipient for one in late}


async def told_late(kafka: KafkaServer, prefix: str) -> list[RecipientLate]:
    """As soon as there are two notices, each event once."""
    found: dict[UUID, RecipientLate] = {}
    async with consumer(kafka.bootstrap) as reader:

        async def two() -> bool:
            for message in await read_to_end(reader, notices_topic(prefix)):
                if not is_heartbeat(message):
                    notice = read_notice(message)
                    if isinstance(notice, RecipientLate):
                        found[notice.notice_id] = notice
            return len(found) >= 2

        await eventually(two, 30)
    return list(found.values())


async def test_R34_no_word_is_lost_when_a_serving_process_is_killed(
    database: TestDatabase, kafka: KafkaServer, environment: dict[str, str]
) -> None:
    async with (
        serving(environment) as stays,
        stays.client() as client,
        downstream(kafka, prefix_of(database)) as brevo,
    ):
        dies: Service = await start_service(environment)
        records = [await says(client, number, "grant") for number in range(40)]
        await brevo.catches_up(set(records[:20]))
        await dies.process.stop(signal.SIGKILL)
        await brevo.catches_up(set(records))
        await eventually(lambda: settled(client), 60)

        assert all([(await brevos(client, one))["outcome"] == "started" for one in records])
