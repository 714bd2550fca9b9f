"""A gate that begins where Kafka's cleaner has taken what is overtaken out of the topic."""

from __future__ import annotations

from consent_service.embedded import KafkaServer
from consent_service.events.wire.encode import encode_state
from tests.clients.compaction import AT_ONCE, compacted
from tests.clients.gate.told import PARTITIONS, Told, state
from tests.events.streams import subject

PEOPLE = 60
FORGOTTEN = (3, 40)


async def test_R33_a_gate_begins_right_on_a_topic_that_kafka_has_compacted(kafka: KafkaServer) -> None:
    told = Told(kafka.bootstrap, "gate-compacted")
    await told.make(told.purposes)
    await told.make(told.states, **AT_ONCE)
    async with told.speaking():
        await told.tell_newsletter()
        for sequence in (1, 2, 3, 4):
            await told.tell(state(number, sequence) for number in range(PEOPLE))
        await told.tell(state(number, 5) for number in range(0, PEOPLE, 2))
        for number in FORGOTTEN:
            message = encode_state(state(number, 5), told.prefix)
            where, headers = message.partition(PARTITIONS), list(message.headers)
            await told._producer.send_and_wait(told.states, None, message.key, where, headers=headers)

        await compacted(kafka.bootstrap, told.states, 5 * PEOPLE // 2, told.beat)

        async with told.beating(), told.gate() as gate:
            await gate.ready()
            answers = [str(gate.answer(subject(number), "nyhetsbrev").reason) for number in range(PEOPLE)]
            known = len(gate)

    wanted = ["given" if number % 2 == 0 else "withdrawn" for number in range(PEOPLE)]
    assert answers == ["no_record" if number in FORGOTTEN else wanted[number] for number in range(PEOPLE)]
    assert known == PEOPLE - len(FORGOTTEN)
