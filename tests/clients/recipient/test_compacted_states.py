"""A recipient that begins where Kafka's cleaner has taken what is overtaken out of the topic of states."""

from __future__ import annotations

from aiokafka.admin import NewTopic

from consent_service.embedded import KafkaServer
from consent_service.events.wire.topics import state_topic
from tests.clients.compaction import AT_ONCE, compacted
from tests.clients.recipient.systems import System, obeying, until
from tests.clients.recipient.topics import PARTITIONS, Topics, a_standing, a_step
from tests.events.streams import administrator

PEOPLE = 40


async def test_R34_a_new_group_begins_right_with_states_that_kafka_has_compacted(kafka: KafkaServer) -> None:
    topics = Topics(kafka.bootstrap, "recipient-compacted")
    await topics.make("changes", "acks", "dead")
    states = state_topic(topics.prefix)
    async with administrator(kafka.bootstrap) as admin:
        await admin.create_topics([NewTopic(states, PARTITIONS, 1, topic_configs=AT_ONCE)])
    for sequence in (1, 2, 3):
        await topics.tell_states(*(a_standing(number, sequence) for number in range(PEOPLE)))
    await topics.tell_states(*(a_standing(number, 4) for number in range(PEOPLE // 2)))

    await compacted(kafka.bootstrap, states, 2 * PEOPLE, topics.beat)
    system = System()
    async with obeying(system, topics):
        await until(lambda: len(system.done) == PEOPLE)
        await topics.tell(*(a_step(number, 5) for number in range(PEOPLE)))
        await until(lambda: len(system.done) == 2 * PEOPLE)

    assert [system.of(number) for number in range(PEOPLE // 2)] == [["stop 4", "start 5"]] * (PEOPLE // 2)
    assert [system.of(number) for number in range(PEOPLE // 2, PEOPLE)] == [["start 3", "start 5"]] * (
        PEOPLE // 2
    )
