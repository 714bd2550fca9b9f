"""The gate where there is no Kafka: a real service, its snapshot and its stream of changes (R32, R33)."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from consent_client import ConsentClient, ConsentGate
from consent_client.errors import Unavailable
from consent_client.http.answers import PurposeItem

from consent_service.embedded import KafkaServer
from tests.databases import TestDatabase
from tests.events.streams import eventually
from tests.http.test_states import answers, load, somebody
from tests.processes import Service, environment_for, start_service

#: Relays speak every five seconds.
LIMIT_S = 9.0


@pytest.fixture
async def service(database: TestDatabase, kafka: KafkaServer, tmp_path: Path) -> AsyncIterator[Service]:
    """Publishes too, and gives a sign of life every half second."""
    await load(database)
    environment = environment_for(
        database,
        tmp_path,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap,
        CONSENT_FEED_HEARTBEAT_S="0.5",
    )
    started = await start_service(environment)
    async with started.client() as client:
        await somebody(client, "newsletter")
        await eventually(lambda: answers(client, "/v1/states"))
    try:
        yield started
    finally:
        await started.process.stop(signal.SIGKILL)


class Asking(ConsentClient):
    """While `away`, nobody answers but the stream that is open."""

    away = False

    async def purposes(self) -> tuple[PurposeItem, ...]:
        if self.away:
            raise Unavailable("The service is away.")
        return await super().purposes()


def asking(service: Service) -> Asking:
    return Asking(service.url, service.client().headers["authorization"].removeprefix("Bearer "))


def over_http(client: ConsentClient, seconds: float) -> ConsentGate:
    return ConsentGate.http(client, controller="ansettr", out_of_touch_after=timedelta(seconds=seconds))


async def until(gate: ConsentGate, person: str, purpose: str, reason: str) -> None:
    async def so() -> bool:
        return str(gate.answer(person, purpose).reason) == reason

    await eventually(so)


async def test_R33_over_http_the_gate_answers_as_the_service_does_and_obeys_what_changes(
    service: Service,
) -> None:
    async with service.client() as client:
        persons = [await somebody(client, "newsletter") for _ in range(3)]
        await client.post(f"/v1/subjects/{persons[1]}/consents/newsletter/withdraw")
        await client.post(f"/v1/subjects/{persons[2]}/consents/analytics/object")
        await client.post(f"/v1/subjects/{persons[2]}/consents/hr-hub/request", json={"version": 1})
        purposes = ["newsletter", "analytics", "hr-hub", "contract", "pixel", "old"]
        async with asking(service) as asked, over_http(asked, LIMIT_S) as gate:
            assert str(gate.answer(persons[0], "newsletter").reason) == "not_ready"
            await gate.ready()

            for person in persons:
                for purpose in purposes:
                    said = (await client.get(f"/v1/subjects/{person}/permissions/{purpose}")).json()
                    answer = gate.answer(UUID(person), purpose)
                    assert (answer.allowed, str(answer.reason)) == (said["allowed"], said["reason"])
                    assert (answer.version, gate.allows(person, purpose)) == (
                        said["version"],
                        said["allowed"],
                    )

            assert gate.allows(persons[0], "newsletter")
            await client.post(f"/v1/subjects/{persons[0]}/consents/newsletter/withdraw")
            await until(gate, persons[0], "newsletter", "withdrawn")

            changed = {**(await client.get("/v1/purposes/analytics")).json(), "change": "material"}
            body = {name: changed[name] for name in ("notices", "change")} | {"legal_bases": ["consent"]}
            assert (await client.put("/v1/purposes/analytics", json=body)).status_code == 201
            await until(gate, persons[0], "analytics", "no_record")

            # Purposes that cannot be asked for any more could have changed.
            asked.away = True
            await until(gate, persons[1], "newsletter", "out_of_touch")
            asked.away = False
            await until(gate, persons[1], "newsletter", "withdrawn")


async def test_R33_over_http_a_stream_that_falls_silent_is_out_of_touch(service: Service) -> None:
    async with service.client() as client:
        person = await somebody(client, "newsletter")
        async with asking(service) as asked, over_http(asked, LIMIT_S) as gate:
            await gate.ready()
            assert gate.allows(person, "newsletter")

            os.kill(service.process.pid, signal.SIGSTOP)
            await until(gate, person, "newsletter", "out_of_touch")
            os.kill(service.process.pid, signal.SIGCONT)
            await until(gate, person, "newsletter", "given")


@pytest.mark.parametrize(
    ("controller", "token", "why"), [("ansettr", "no.token", "401"), ("coness", None, "another controller")]
)
async def test_R33_what_waiting_does_not_heal_is_said_at_once(
    service: Service, controller: str, token: str | None, why: str
) -> None:
    own = service.client().headers["authorization"].removeprefix("Bearer ")
    async with (
        ConsentClient(service.url, token or own) as client,
        ConsentGate.http(client, controller=controller) as gate,
    ):
        with pytest.raises(Unavailable, match=why):
            await gate.ready(timedelta(seconds=20))
        assert not gate.allows(UUID(int=1), "nyhetsbrev")


async def test_R33_over_http_what_waits_in_the_outbox_makes_the_gate_old(
    service: Service, database: TestDatabase, kafka: KafkaServer, tmp_path: Path
) -> None:
    """A second process without a relay serves on; the only relay is gone."""
    async with service.client() as client:
        person = await somebody(client, "newsletter")
    await service.process.stop(signal.SIGKILL)
    environment = environment_for(
        database, tmp_path, CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap, CONSENT_FEED_HEARTBEAT_S="0.5"
    )
    without_relay = await start_service(environment)
    try:
        async with (
            without_relay.client() as client,
            asking(without_relay) as asked,
            over_http(asked, LIMIT_S) as gate,
        ):
            await gate.ready()
            withdrawn = await client.post(f"/v1/subjects/{person}/consents/newsletter/withdraw")
            assert withdrawn.status_code == 201
            await until(gate, person, "newsletter", "out_of_touch")
    finally:
        await without_relay.process.stop(signal.SIGKILL)
