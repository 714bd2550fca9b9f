"""Nothing of one controller's lands in another's topics; where they share a prefix, everything says whose it is (R28)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from consent_service.domain.catalogue import PurposeEntry
from consent_service.domain.errors import NoLongerKept
from consent_service.domain.purposes import Recipient
from consent_service.domain.records import Preferences
from consent_service.domain.values import CALLER_COMMANDS, Basis, Command
from consent_service.embedded import KafkaServer
from consent_service.events.feed.feed import Feed, open_feed
from consent_service.events.publishing.administration import administering, make_topics
from consent_service.events.wire.consume import read_change, read_purpose, read_state
from consent_service.events.wire.notices import read_notice
from consent_service.events.wire.topics import PARTITIONS, SETTINGS, recipients_topics, topics_of
from consent_service.metrics import Metrics
from consent_service.storage.notices import NoticeKind
from consent_service.usecases.states import States
from consent_service.usecases.subjects import Subjects
from consent_service.usecases.submissions import Caller
from tests.builders import NOTICES, OFFER, day
from tests.databases import TestDatabase
from tests.events.feeds import read
from tests.events.streams import Stream
from tests.http.tables import rows
from tests.usecases.recording import KEYRING, Room, a_command, open_room, someone
from tests.usecases.sweepers import a_broom

CONTROLLERS = ("ansettr", "coness")
#: Kind of topic | who writes it | what says whose a message is. The recipients' words are judged by topic and record:
#: tests/events/test_acknowledging.py.
KINDS = """
changes  | service    | headers value
state    | service    | headers value key
purposes | service    | headers value key
notices  | service    | headers value
acks     | recipients | headers value
dead     | recipients | -
"""
READERS: dict[str, Callable[[Any], str]] = {
    "changes": lambda message: read_change(message).change.controller,
    "state": lambda message: getattr(read_state(message), "controller", ""),
    "purposes": lambda message: read_purpose(message).controller,
    "notices": lambda message: read_notice(message).controller,
}
PURPOSES = (
    PurposeEntry(
        slug="nyhetsbrev",
        legal_bases=(Basis.CONSENT,),
        notices=NOTICES,
        preferences=OFFER,
        renew_after="P3Y",
        recipients=(Recipient(slug="brevo", name="Brevo", role="processor"),),
        effective_from=day(-1000),
    ),
    PurposeEntry(slug="rekruttering", legal_bases=(Basis.LEGITIMATE_INTERESTS,), effective_from=day(-1000)),
)


SAID = ("defer", "request", "confirm", "prefer", "invalidate", "refuse", "grant", "revoke", "withdraw")


async def say_everything(room: Room, database: TestDatabase) -> None:
    """Somebody of each controller's says everything that can be said, and time does the rest."""
    evidence = b'{"authority": "Datatilsynet", "reference": "1"}'
    also: dict[str, dict[str, Any]] = {
        "prefer": {"preferences": Preferences(topics=("jobs",))},
        "invalidate": {"has_authority": True, "evidence": evidence},
    }
    for controller in CONTROLLERS:
        for command in SAID:
            await room.says(
                someone("anna"), a_command(command, **also.get(command, {})), controller=controller
            )
        for command in ("object", "lift-objection"):
            await room.says(someone("anna"), a_command(command, "rekruttering"), controller=controller)
        anna = (await room.says(someone("anna"), a_command(), controller=controller)).subject_id
        subjects, caller = (
            Subjects(room.database, room.catalogue, KEYRING, now=room.clock),
            Caller(controller, "crm"),
        )
        (linked,) = (await subjects.identifiers(caller, anna)).items
        await subjects.unlink(caller, anna, linked.identifier_id)
    async with a_broom(database, room.clock) as broom:
        for days in (1, 3 * 365 - 10, 3 * 366):
            room.clock.moment = day(days)
            await broom.looks_back()
        for controller in CONTROLLERS:
            await room.says(someone("berit"), a_command(), controller=controller)
            await room.changes_materially(controller)
        room.clock.forward(days=1)
        await broom.looks_back()


@asynccontextmanager
async def told(
    database: TestDatabase, kafka: KafkaServer, prefixes: dict[str, str]
) -> AsyncIterator[tuple[Stream, Room, asyncpg.Connection]]:
    """Everything was said and published, under the controllers' prefixes."""
    async with open_room(database, ()) as room:
        connection = await database.connect()
        for controller, prefix in prefixes.items():
            await room.loads(controller, PURPOSES)
            await connection.execute(
                "update controllers set topic_prefix = $2 where controller = $1", controller, prefix
            )
        async with administering(kafka.bootstrap) as admin:
            theirs = [topic for prefix in set(prefixes.values()) for topic in recipients_topics(prefix)]
            await make_topics(admin, theirs, 1)
        await say_everything(room, database)
        stream = Stream(database, kafka.bootstrap)
        async with stream.relay():
            await stream.drained()
        yield stream, room, connection
        await connection.close()


async def messages_of(stream: Stream, prefix: str) -> dict[str, list[Any]]:
    """All that lies under a prefix, by the kind of topic."""
    topics = [*topics_of(prefix), *recipients_topics(prefix)]
    assert len(topics) == len(PARTITIONS)
    return {topic.split(".")[-2]: await stream.messages(topic) for topic in topics}


def owners(kind: str, messages: list[Any]) -> dict[str, set[str]]:
    """Whose messages these are, by what says so."""
    named: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        source = dict(message.headers)["ce_source"].decode()
        named["headers"].add(source.rpartition(":")[2])
        named["value"].add(READERS[kind](message))
        if b"/" in message.key:
            named["key"].add(message.key.decode().partition("/")[0])
    return named


def test_every_kind_of_topic_is_known_here() -> None:
    kinds = {kind: says.split() for kind, _, says in rows(KINDS, 3)}

    assert kinds.keys() == PARTITIONS.keys() == SETTINGS.keys()
    # What is compacted keeps one message a key: without the controller in it, one's would replace another's.
    assert {kind for kind, says in kinds.items() if "key" in says} == {
        kind for kind, settings in SETTINGS.items() if settings["cleanup.policy"] == "compact"
    }


@pytest.mark.parametrize("prefixes", ["two prefixes", "one prefix"])
async def test_R28_whatever_is_published_is_its_own_controllers(
    database: TestDatabase, kafka: KafkaServer, prefixes: str
) -> None:
    name = database.name.replace("_", "-")
    of = {one: f"{name}.{one}" if prefixes == "two prefixes" else name for one in CONTROLLERS}
    async with told(database, kafka, of) as (stream, _, connection):
        commands = await connection.fetch("select distinct controller, command from records")
        kinds_of_notices = await connection.fetch("select distinct controller, kind from stream_notices")
        found = {prefix: await messages_of(stream, prefix) for prefix in set(of.values())}

    expected = {*CALLER_COMMANDS, Command.EXPIRE}
    assert {tuple(row) for row in commands} == {(one, word) for one in CONTROLLERS for word in expected}
    assert {tuple(row) for row in kinds_of_notices} == {
        (one, word) for one in CONTROLLERS for word in NoticeKind
    }
    for prefix, by_kind in found.items():
        own = {one for one in CONTROLLERS if of[one] == prefix}
        for kind, writer, says in rows(KINDS, 3):
            said = owners(kind, by_kind[kind])
            assert said == (dict.fromkeys(says.split(), own) if writer == "service" else {}), (
                prefix,
                kind,
            )


async def test_R32_the_feed_tells_each_its_own_whatever_place_it_comes_from(
    database: TestDatabase, kafka: KafkaServer
) -> None:
    """Another's event id is a place like any other where both share a topic; elsewhere it is of no topic there is."""
    name = database.name.replace("_", "-")
    async with AsyncExitStack() as opened:
        stream, room, connection = await opened.enter_async_context(
            told(database, kafka, dict.fromkeys(CONTROLLERS, name))
        )
        states = States(room.database, room.catalogue, now=room.clock)
        feed = await opened.enter_async_context(
            open_feed(
                Feed(kafka.bootstrap, states.topic_prefix, states.ledger_epoch, Metrics()), asyncio.Event()
            )
        )
        place = await feed.newest("ansettr")

        async def withdraw(who: str) -> None:
            for controller in CONTROLLERS:
                await room.says(someone(who), a_command("withdraw"), controller=controller)
            async with stream.relay():
                await stream.drained()

        await withdraw("siri")
        theirs = await read(await feed.open(Caller("ansettr", "mailer"), place), 1)
        await withdraw("turid")
        ours = await read(await feed.open(Caller("coness", "mailer"), theirs[0].id), 1)
        both = await read(await feed.open(Caller("coness", "mailer"), place), 2)

        assert {one.data["controller"] for one in theirs} == {"ansettr"}
        assert {one.data["controller"] for one in (*ours, *both)} == {"coness"}
        await connection.execute(
            "update controllers set topic_prefix = $1 where controller = 'coness'", f"{name}.x"
        )
        async with administering(kafka.bootstrap) as admin:
            await make_topics(admin, topics_of(f"{name}.x"), 1)
        with pytest.raises(NoLongerKept):
            await feed.open(Caller("coness", "mailer"), theirs[0].id)
