"""Recipients' words from Kafka to the database: none is lost, none stops another (R34)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.errors import MessageSizeTooLargeError
from consent_client.model import Acknowledgement
from consent_client.wire.writing import acknowledgement_message
from consent_client.words import Outcome

from consent_service.domain.catalogue import PurposeEntry
from consent_service.domain.errors import ConsentError, Unavailable
from consent_service.domain.propagation import Word
from consent_service.domain.purposes import Recipient
from consent_service.domain.values import Basis
from consent_service.embedded import KafkaServer
from consent_service.events.acknowledging import Acknowledging
from consent_service.events.publishing.administration import administering, kept_otherwise, make_topics
from consent_service.events.wire.topics import acks_topic
from consent_service.metrics import Metrics
from consent_service.usecases.listening import read_listening
from consent_service.usecases.propagation import Acknowledgements
from tests.builders import NOTICES, an_id, day
from tests.databases import TestDatabase
from tests.events.spoiled import send_header_without_text, send_header_without_value, send_packed
from tests.events.streams import eventually, opened
from tests.usecases.recording import Room, a_command, open_room, someone

PURPOSES = (
    PurposeEntry(
        slug="nyhetsbrev",
        legal_bases=(Basis.CONSENT,),
        notices=NOTICES,
        recipients=(Recipient(slug="brevo", name="Brevo", role="processor"),),
        effective_from=day(-1000),
    ),
)


class Talk:
    """Two controllers under prefixes of their own, their records, and what is said about them."""

    def __init__(self, room: Room, rows: asyncpg.Connection, producer: Any, prefix: str) -> None:
        self.room = room
        self.rows = rows
        self.metrics = Metrics()
        self.prefix = prefix
        self.producer = producer
        self._persons = 0

    def topic(self, controller: str = "ansettr") -> str:
        return acks_topic(f"{self.prefix}.{controller}")

    async def given(self, controller: str = "ansettr") -> tuple[UUID, UUID]:
        """The subject and the record of somebody new who has given their consent."""
        self._persons += 1
        answer = await self.room.says(someone(f"person-{self._persons}"), a_command(), controller=controller)
        return answer.subject_id, answer.results[0].record_id

    async def says(
        self, about: tuple[UUID, UUID], topic: str | None = None, send: Any = None, **fields: Any
    ) -> None:
        """Brevo's word, that it has started; `send` is another way of sending it."""
        said = Acknowledgement(
            **{
                "acknowledgement_id": an_id(1),
                "controller": "ansettr",
                "recipient": "brevo",
                "record_id": about[1],
                "subject_id": about[0],
                "outcome": Outcome.STARTED,
                "at": self.room.clock(),
                **fields,
            }
        )
        message = acknowledgement_message(said)
        into, headers = topic or self.topic(said.controller), list(message.headers)
        if send is not None:
            await send(self.producer, into, message.key, message.value, headers)
        else:
            await self.producer.send_and_wait(into, message.value, message.key, headers=headers)

    async def sends(self, value: bytes, key: bytes) -> None:
        await self.producer.send_and_wait(self.topic(), value, key)

    async def settled(self, *about: tuple[UUID, UUID]) -> None:
        """Return once nothing is owed of these records."""
        records = [one[1] for one in about]

        async def done() -> bool:
            open_duties = "select count(*) from duties where record_id = any($1) and settled_at is null"
            return not await self.rows.fetchval(open_duties, records)

        await eventually(done)

    def refused(self, why: str) -> float:
        name = "consent_acknowledgements_refused_total"
        return self.metrics.registry.get_sample_value(name, {"why": why}) or 0.0

    @asynccontextmanager
    async def taking(self, database: TestDatabase, bootstrap: str, take: Any = None) -> AsyncIterator[None]:
        """A member of the group, which must end well within seconds."""
        stop = asyncio.Event()
        async with opened(database, "consent_service") as pool:
            words = Acknowledgements(pool, self.room.catalogue, metrics=self.metrics, now=self.room.clock)
            taker = take(words.take_each) if take else words.take_each
            member = Acknowledging(bootstrap, lambda: read_listening(pool), taker, self.metrics)
            running = asyncio.create_task(member.run(stop))
            try:
                yield
            finally:
                stop.set()
                await asyncio.wait_for(running, 10)


@pytest.fixture
async def talk(database: TestDatabase, kafka: KafkaServer) -> AsyncIterator[Talk]:
    prefix = database.name.replace("_", "-")
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(open_room(database, ()))
        rows = await database.connect()
        stack.push_async_callback(rows.close)
        for controller in ("ansettr", "coness"):
            await room.loads(controller, PURPOSES)
        await rows.execute("update controllers set topic_prefix = $1 || '.' || controller", prefix)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
        await producer.start()
        stack.push_async_callback(producer.stop)
        yield Talk(room, rows, producer, prefix)


async def make(kafka: KafkaServer, topics: Sequence[str]) -> None:
    async with administering(kafka.bootstrap) as admin:
        await make_topics(admin, topics, 1)


async def test_R34_a_word_on_kafka_settles_and_what_is_not_believed_is_passed_over(
    database: TestDatabase, kafka: KafkaServer, talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    """Each refused before the last, which is believed; nothing that identifies anybody is logged."""
    caplog.set_level(logging.WARNING, "consent_service")
    await make(kafka, [talk.topic("ansettr"), talk.topic("coness")])
    anna, theirs, last = await talk.given(), await talk.given("coness"), await talk.given()
    await talk.sends(b"\xff", str(anna[0]).encode())
    await talk.says((anna[0], an_id(7)))
    await talk.says(anna, recipient="crm")
    await talk.says((theirs[0], anna[1]))
    await talk.says(theirs, topic=talk.topic("ansettr"), controller="coness")
    await talk.says(theirs, topic=talk.topic("ansettr"), controller="nobody")
    await talk.says(anna, outcome=Outcome.ACCEPTED)
    await talk.says(anna, at=day(1))
    for about in (last, anna):
        await talk.says(about)
    async with talk.taking(database, kafka.bootstrap):
        await talk.settled(last, anna)
        await talk.says(theirs, controller="coness")
        await talk.settled(theirs)

    assert {
        why: talk.refused(why)
        for why in (
            *("not_understood", "unknown_record", "not_a_recipient", "wrong_topic"),
            *("invalid_due_at", "invalid_at", "failed"),
        )
    } == {
        "not_understood": 1,
        "unknown_record": 2,
        "not_a_recipient": 1,
        "wrong_topic": 2,
        "invalid_due_at": 1,
        "invalid_at": 1,
        "failed": 0,
    }
    passed_over = [one for one in caplog.records if "passed over" in one.getMessage()]
    assert len(passed_over) == 8
    assert {one.topic for one in passed_over} == {talk.topic("ansettr")}  # type: ignore[attr-defined]
    assert all(hasattr(one, "offset") and hasattr(one, "partition") for one in passed_over)
    logged = " ".join(f"{one.getMessage()} {vars(one)}" for one in passed_over)
    assert not any(str(one) in logged for about in (anna, theirs) for one in about)


@pytest.mark.parametrize("send", [send_header_without_value, send_header_without_text])
async def test_R34_a_message_that_breaks_readers_holds_up_nobody(
    database: TestDatabase, kafka: KafkaServer, talk: Talk, send: Any
) -> None:
    """Whoever may write on the topic could stop all others from being heard."""
    await make(kafka, [talk.topic()])
    first, last = await talk.given(), await talk.given()
    await talk.says(first)
    await send(talk.producer, talk.topic(), b"a", b"b")
    await talk.says(last)
    async with talk.taking(database, kafka.bootstrap):
        await talk.settled(first, last)

    assert talk.refused("not_understood") == 1
    assert talk.refused("failed") == 0


async def test_R34_packed_words_are_unpacked_by_the_broker_and_none_is_larger_than_a_message_may_be(
    database: TestDatabase, kafka: KafkaServer, talk: Talk
) -> None:
    """A message of a megabyte can be packed that is a gigabyte, and aiokafka would unpack it in one piece."""
    await make(kafka, [talk.topic()])
    first, last = await talk.given(), await talk.given()
    await talk.says(first, send=send_packed)
    options = {"bootstrap_servers": kafka.bootstrap, "max_request_size": 1 << 30, "max_batch_size": 1 << 30}
    async with AIOKafkaProducer(**options, compression_type="gzip") as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(talk.topic(), bytes(16 << 20), b"a")
    await talk.says(last)
    async with talk.taking(database, kafka.bootstrap):
        await talk.settled(first, last)

    assert talk.refused("not_understood") == 0


async def test_R34_packed_words_on_a_topic_that_others_made_hold_up_nobody(
    database: TestDatabase, kafka: KafkaServer, talk: Talk
) -> None:
    others = NewTopic(talk.topic(), 1, 1, topic_configs={"compression.type": "producer"})
    async with administering(kafka.bootstrap) as admin:
        await admin.create_topics([others])
        assert await kept_otherwise(admin, [talk.topic()]) == {talk.topic(): "compression.type=producer"}
    first, packed, last = [await talk.given() for _ in range(3)]
    await talk.says(first)
    await talk.says(packed, send=send_packed)
    await talk.says(last)
    async with talk.taking(database, kafka.bootstrap):
        await talk.settled(first, last)

    assert talk.refused("not_understood") == 1


async def test_R34_a_topic_that_is_made_later_is_read_from_its_start(
    database: TestDatabase, kafka: KafkaServer, talk: Talk
) -> None:
    about = await talk.given()
    async with talk.taking(database, kafka.bootstrap):
        await make(kafka, [talk.topic()])
        await talk.says(about)
        await talk.settled(about)


async def test_R34_words_wait_while_the_database_is_away(
    database: TestDatabase, kafka: KafkaServer, talk: Talk
) -> None:
    """Nothing is committed before the database has it; who comes next goes on from there."""
    await make(kafka, [talk.topic()])
    about = await talk.given()
    tried = asyncio.Event()

    def failing(_: Any) -> Any:
        async def take(words: Sequence[Word]) -> dict[int, ConsentError]:
            tried.set()
            raise Unavailable("The database does not answer now.")

        return take

    await talk.says(about)
    async with talk.taking(database, kafka.bootstrap, failing):
        await asyncio.wait_for(tried.wait(), 20)
    async with talk.taking(database, kafka.bootstrap):
        await talk.settled(about)

    assert await talk.rows.fetchval("select count(*) from acknowledgements") == 1


async def test_R34_a_fault_of_ours_costs_one_word(
    database: TestDatabase, kafka: KafkaServer, talk: Talk
) -> None:
    await make(kafka, [talk.topic()])
    records = [await talk.given() for _ in range(5)]

    def faulty(real: Any) -> Any:
        async def take(words: Sequence[Word]) -> Any:
            if any(word.record_id == records[2][1] for word in words):
                raise RuntimeError("planted")
            return await real(words)

        return take

    for about in records:
        await talk.says(about)
    async with talk.taking(database, kafka.bootstrap, faulty):
        await talk.settled(*records[:2], *records[3:])

        async def failed() -> bool:
            return talk.refused("failed") == 1

        await eventually(failed)


async def test_R34_members_share_the_topics_and_what_was_kept_is_not_kept_again(
    database: TestDatabase, kafka: KafkaServer, talk: Talk
) -> None:
    await make(kafka, [talk.topic()])
    records = [await talk.given() for _ in range(20)]
    async with talk.taking(database, kafka.bootstrap):
        for about in records[:10]:
            await talk.says(about)
        await talk.settled(*records[:10])
        async with talk.taking(database, kafka.bootstrap):
            for about in records[10:]:
                await talk.says(about)
            await talk.settled(*records)
    said = talk.metrics.registry.get_sample_value("consent_acknowledgements_total", {"outcome": "started"})

    assert await talk.rows.fetchval("select count(*) from acknowledgements") == 20
    assert said is not None
    assert said >= 20
    seconds = {"controller": "ansettr", "recipient": "brevo"}
    assert talk.metrics.registry.get_sample_value("consent_propagation_seconds_count", seconds) == 20


async def test_R34_after_a_restore_the_words_are_heard_again(
    database: TestDatabase, kafka: KafkaServer, talk: Talk
) -> None:
    """A backup from before the word: the broker holds it, the ledger does not any more."""
    await make(kafka, [talk.topic()])
    about = await talk.given()
    await talk.says(about)
    async with talk.taking(database, kafka.bootstrap):
        await talk.settled(about)
    await talk.rows.execute(
        "update duties set settled_at = null, settled_by = null, outcome = null, acknowledged_at = null"
    )
    await talk.rows.execute("insert into ledger_epoch (epoch, reason) values (2, 'restored')")
    async with talk.taking(database, kafka.bootstrap):
        await talk.settled(about)
