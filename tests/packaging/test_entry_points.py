"""The containers' commands, started on this machine in their order with their settings, on real engines."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.embedded.ports import free_port
from tests.packaging.compose import OURS, ROOT, example_values, services
from tests.packaging.test_dockerfile import health_check
from tests.processes import start

ONCE = OURS[:4]
LIMIT_S = 60


class Stack:
    """What the compose file describes, with this machine's addresses for the engines and the key's folder."""

    def __init__(self, postgres: PostgresServer, kafka: KafkaServer, keys: Path) -> None:
        self.kafka = kafka
        self.port = free_port()
        self._services = services({**example_values(), "POSTGRES_PASSWORD": postgres.password()})
        self._places = {
            "@postgres:5432": f"@{postgres.host}:{postgres.port}",
            "kafka:9092": kafka.bootstrap,
            "/keys/": f"{keys}/",
        }

    def command(self, name: str) -> list[str]:
        command: list[str] = self._services[name]["command"]
        return command

    def environment(self, name: str) -> dict[str, str]:
        """As the container would get it, image and compose file together."""
        environment = {"CONSENT_HOST": "127.0.0.1", "CONSENT_PORT": str(self.port)}
        for variable, value in self._services[name]["environment"].items():
            for theirs, ours in self._places.items():
                value = value.replace(theirs, ours)  # noqa: PLW2901
            environment[variable] = value
        return environment

    async def run(self, name: str) -> str:
        """One of the steps that end by themselves; what it printed."""
        return await run(
            [sys.executable, "-m", "consent_service", *self.command(name)], self.environment(name)
        )


async def run(command: list[str], environment: dict[str, str]) -> str:
    """The standard output; AssertionError with the error output on another exit code than 0."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with (
        PostgresServer(tmp_path / "postgres", fsync=False) as postgres,
        KafkaServer(tmp_path / "kafka") as kafka,
    ):
        yield Stack(postgres, kafka, tmp_path / "keys")


async def first_purpose(kafka: KafkaServer) -> bytes:
    """The key of the first message on the topic of purposes."""
    # The topic may be made only now: look for it more often than every five minutes.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", metadata_max_age_ms=500
    )
    await consumer.start()
    try:
        consumer.subscribe(pattern=r"consent\.purposes\.v1")
        message = await consumer.getone()
        assert message.key is not None
        return bytes(message.key)
    finally:
        await consumer.stop()


async def test_the_steps_of_the_compose_file_lead_to_a_service_that_publishes(stack: Stack) -> None:
    first = {name: await stack.run(name) for name in ONCE}
    again = {name: await stack.run(name) for name in ONCE}
    assert "Nothing to apply" in again["migrate"]
    assert again["catalogue"] != first["catalogue"]
    token = first["token"].strip()

    healthy = [sys.executable, *health_check()[1:]]
    service = await start(*stack.command("service"), environment=stack.environment("service"))
    relay = await start(*stack.command("relay"), environment=stack.environment("relay"))
    try:
        await service.hear("serving")
        await run(healthy, stack.environment("service"))
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}) as client:
            answer = await client.get(f"http://127.0.0.1:{stack.port}/v1/purposes")
        assert answer.status_code == 200, answer.text
        assert answer.json()["items"]
        async with asyncio.timeout(LIMIT_S):
            assert b"/" in await first_purpose(stack.kafka)
    finally:
        codes = [await process.stop() for process in (service, relay)]
    assert codes == [0, 0]
    with pytest.raises(AssertionError, match="refused"):
        await run(healthy, stack.environment("service"))
