"""Several brokers of one Kafka, for what one alone cannot show. Each may be killed and comes again."""

from __future__ import annotations

import asyncio
import base64
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from consent_service.cli.run import cache_dir
from consent_service.embedded import EngineFailed, KafkaServer
from consent_service.embedded.identity import run_to_end
from consent_service.embedded.ports import HOST, free_port
from tests.events.streams import administrator

ACCOUNT_LINES = 30
#: What a broker says of each batch that it refuses while too few replicas are in step.
EXPECTED = ("append operation", "NotEnoughReplicas")


class Plan:
    """What the members of a cluster have to agree on: its id, and who votes at which controller's port."""

    def __init__(self, brokers: int, voters: int) -> None:
        self.cluster_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        self.brokers = brokers
        self.voters = {number: free_port() for number in range(1, voters + 1)}

    def properties(self, number: int, port: int) -> dict[str, str]:
        """What one of several has otherwise than one alone."""
        voters = ",".join(f"{voter}@{HOST}:{controller}" for voter, controller in self.voters.items())
        properties = {
            "node.id": str(number),
            "controller.quorum.voters": voters,
            "offsets.topic.replication.factor": str(self.brokers),
            "transaction.state.log.replication.factor": str(self.brokers),
            "transaction.state.log.min.isr": str(self.brokers - 1),
        }
        if number not in self.voters:
            properties |= {"process.roles": "broker", "listeners": f"CLIENT://{HOST}:{port}"}
        return properties


class Member(KafkaServer):
    """One of several."""

    def __init__(self, folder: Path, number: int, plan: Plan) -> None:
        super().__init__(folder / f"kafka-{number}", cache_dir=cache_dir())
        self._number = number
        self._plan = plan

    def _format(self) -> None:
        shutil.rmtree(self._log_dir, ignore_errors=True)
        self._write_properties(self._log_dir, 0)
        command = self._java_command(
            "kafka.tools.StorageTool", "format", f"--cluster-id={self._plan.cluster_id}"
        )
        formatted = run_to_end("same", [*command, "--config", str(self._properties)], self.data_dir)
        if formatted.returncode != 0:
            output = formatted.stdout + formatted.stderr
            raise EngineFailed("formatting Kafka's storage failed", Path("its output"), output)

    def _write_properties(self, log_dir: Path, controller_port: int) -> None:
        super()._write_properties(log_dir, self._plan.voters.get(self._number, controller_port))
        written = (line.partition("=") for line in self._properties.read_text().splitlines())
        properties = {name: value for name, _, value in written}
        properties |= self._plan.properties(self._number, self.port)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


class Cluster:
    """`members` by number; `bootstrap` names all of them."""

    def __init__(self, members: Mapping[int, Member]) -> None:
        self.members = members

    @property
    def bootstrap(self) -> str:
        return ",".join(member.bootstrap for member in self.members.values())

    async def is_whole(self, topic: str) -> bool:
        """Whether every partition of the topic has all its replicas in step."""
        return await self._all(topic, lambda one: len(one["isr"]) == len(self.members))

    async def is_led_alone(self, topic: str, number: int) -> bool:
        """Whether of every partition this broker alone is in step."""
        return await self._all(topic, lambda one: (one["leader"], one["isr"]) == (number, [number]))

    async def demand_replicas(self, topic: str, count: int) -> None:
        """Below so many replicas in step the topic takes nothing: NOT_ENOUGH_REPLICAS."""
        settings = {"min.insync.replicas": str(count)}
        async with administrator(self.bootstrap) as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])

    async def account(self) -> str:
        """Where not every replica is in step, as each member alone tells it, and the last of what each has logged."""
        lines: list[str] = []
        for number, member in self.members.items():
            try:
                async with administrator(member.bootstrap) as admin:
                    topics = await admin.describe_topics(await admin.list_topics())
                short = [
                    (topic["topic"], one["partition"], one["leader"], one["isr"])
                    for topic in topics
                    for one in topic["partitions"]
                    if len(one["isr"]) < len(self.members)
                ]
                lines.append(f"broker {number}, of {len(topics)} topics not whole: {sorted(short)}")
            except KafkaError as error:
                lines.append(f"broker {number}: {error!r}")
            logged = member.log_file.read_text().splitlines()
            unexpected = [line for line in logged if not any(words in line for words in EXPECTED)]
            lines += unexpected[-ACCOUNT_LINES:]
        return "\n".join(lines)

    async def _all(self, topic: str, holds: Callable[[Any], bool]) -> bool:
        """Whether it holds of every partition; where a broker that has just died was asked, it is not known."""
        try:
            async with administrator(self.bootstrap) as admin:
                [told] = await admin.describe_topics([topic])
        except KafkaError:
            return False
        return all(holds(partition) for partition in told["partitions"])


@asynccontextmanager
async def cluster_of(folder: Path, *, brokers: int, voters: int) -> AsyncIterator[Cluster]:
    """A cluster that serves. While most of the voters live it can say who leads."""
    plan = Plan(brokers, voters)
    members = {number: Member(folder, number, plan) for number in range(1, brokers + 1)}
    try:
        # Together: without most of the voters none of them serves.
        async with asyncio.TaskGroup() as group:
            for member in members.values():
                group.create_task(member.start())
        yield Cluster(members)
    finally:
        await asyncio.gather(*(member.stop() for member in members.values()))
