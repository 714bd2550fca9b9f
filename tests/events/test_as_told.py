"""Topics as they are made and messages as they are published are what docs/asyncapi.yaml tells."""

from __future__ import annotations

from consent_service.events.publishing.kafka import Kafka
from consent_service.events.wire.messages import headers_of
from consent_service.events.wire.topics import recipients_topics, topics_of
from tests.contracts.told import DOC, MESSAGES, fits
from tests.events.samples import TRACEPARENT
from tests.events.streams import Stream, a_record, consumer, read_to_end, topic_partitions


def told_topics(stream: Stream) -> dict[str, tuple[int, dict[str, str]]]:
    """Topic -> partitions and settings."""
    found: dict[str, tuple[int, dict[str, str]]] = {}
    for channel in DOC["channels"].values():
        kafka = channel["bindings"]["kafka"]
        settings = {
            name: ",".join(value) if isinstance(value, list) else str(value)
            for name, value in kafka["topicConfiguration"].items()
        }
        found[channel["address"].replace("{prefix}", stream.prefix)] = (kafka["partitions"], settings)
    return found


async def test_R28_topics_have_the_partitions_and_settings_that_the_document_tells(stream: Stream) -> None:
    told = told_topics(stream)
    publisher = Kafka(stream.bootstrap).publisher()
    await publisher.prepare([*topics_of(stream.prefix), *recipients_topics(stream.prefix)])
    await publisher.close()

    for topic, (partitions, settings) in told.items():
        async with consumer(stream.bootstrap) as reader:
            assert len(await topic_partitions(reader, topic)) == partitions
        made = await stream.topic_settings(topic)
        assert {name: made[name] for name in settings} == settings
    assert told.keys() == {*topics_of(stream.prefix), *recipients_topics(stream.prefix)}


async def test_R26_what_is_published_has_the_keys_and_headers_that_the_document_tells(stream: Stream) -> None:
    publisher = Kafka(stream.bootstrap).publisher()
    await publisher.prepare(topics_of(stream.prefix))
    await publisher.close()
    async with stream.relay():
        await stream.append([a_record(1, 1)])
        await stream.append([a_record(1, 2), a_record(2, 1)], TRACEPARENT)
        await stream.drained()

    seen: set[str] = set()
    async with consumer(stream.bootstrap) as reader:
        for channel in DOC["channels"].values():
            for message in await read_to_end(reader, channel["address"].replace("{prefix}", stream.prefix)):
                headers = headers_of(message)
                assert headers["ce_type"] in channel["messages"]
                assert fits(MESSAGES[headers["ce_type"]], message.key.decode(), headers)
                seen.add(headers["ce_type"])
    assert seen >= {"consent.changed.v1", "consent.purpose.published.v1"}
