"""Topics as the broker keeps them: which are missing, and making them (R28)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from consent_service.events.wire.topics import PARTITIONS, SETTINGS, kind_of

#: Where these are otherwise than in the contract, readers are misled or in danger.
_JUDGED = ("cleanup.policy", "compression.type")


@asynccontextmanager
async def administering(bootstrap: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="consent-administration")
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def missing_topics(admin: Any, topics: Collection[str]) -> list[str]:
    """Asking for all of them by no name never lets a broker make one by itself."""
    return sorted(set(topics) - set(await admin.list_topics()))


async def kept_otherwise(admin: Any, topics: Collection[str]) -> dict[str, str]:
    """Of these topics, which must exist, those with settings that are not the contract's: `cleanup.policy=delete`."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in sorted(topics)]
    found: dict[str, str] = {}
    for answer in await admin.describe_configs(wanted) if wanted else ():
        for code, _, _, topic, entries in answer.resources:
            if code:
                raise for_code(code)(topic)
            kept, agreed = {entry[0]: entry[1] for entry in entries}, SETTINGS[kind_of(topic)]
            others = [
                f"{name}={kept[name]}" for name in _JUDGED if kept[name] != agreed.get(name, kept[name])
            ]
            if others:
                found[topic] = ", ".join(others)
    return found


async def make_topics(admin: Any, topics: Collection[str], replication: int) -> None:
    """Make them with the service's settings. Raises the KafkaError of the first that was not made.

    Another relay may have made one just now.
    """
    answer = await admin.create_topics([_new_topic(topic, replication) for topic in topics])
    for topic, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(topic)


def _new_topic(topic: str, replication: int) -> Any:
    kind = kind_of(topic)
    settings = {**SETTINGS[kind], "min.insync.replicas": str(max(1, replication - 1))}
    return NewTopic(topic, PARTITIONS[kind], replication, topic_configs=settings)
