"""Marked values go through every route, well and badly, and are looked for in everything that comes out: logs, metrics,
answers, topics and a dump of the database. They come out where the interface promises them, and nowhere else.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiokafka import AIOKafkaProducer

from consent_service.cli.run import cache_dir
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.http.routes import OPERATIONS
from tests.databases import TestDatabase, copy_template, drop
from tests.endtoend.broken import broken
from tests.endtoend.marked_browser import in_a_browser
from tests.endtoend.marked_stage import Marks, Outputs, Stage, dump, read_topics, run, running
from tests.endtoend.marks import leaks
from tests.events.streams import eventually
from tests.http.each_operation import OF_SYSTEMS, Asked, Known, calls
from tests.http.examples_catalogue import load_catalogue
from tests.http.issuers import AUDIENCE, ISSUER, Issuer
from tests.processes import environment_for

#: Who is told what: identifiers in clear, a record's evidence and who said it (CORE 9, 13); the audit trail names who
#: reads and changes (docs/OPERATIONS.md, "Tokens"). c15t's client is told again whom it claims that the visitor is.
PROMISED: dict[str, tuple[str, ...]] = {
    "readIdentifiers": ("email", "phone", "external", "visitor"),
    "readRecord": ("evidence", "evidence-name", "actor"),
    "readHistory": ("actor",),
    "recordCommand": ("actor",),
    "c15tClaim": ("value",),
    "recordDecisions": ("actor",),
    "dump of the audit trail": ("actor",),
}
ROLES = ("consent_service", "consent_relay", "consent_sweeper", "consent_auditor")


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[KafkaServer]:
    """One that may be killed."""
    async with KafkaServer(tmp_path / "kafka", cache_dir=cache_dir()) as broker:
        yield broker


def environment_of(
    postgres: PostgresServer,
    database: TestDatabase,
    broker: KafkaServer,
    issuer: Issuer,
    marks: Marks,
    folder: Path,
) -> dict[str, str]:
    """Settings as in production, every secret in them a mark."""
    keys = folder / "keys.json"
    keys.write_bytes(issuer.key_set())
    made = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in ("lookup", "sealing")}
    for name, text in made.items():
        marks.secret(f"{name} key", text)
        marks.secret(f"{name} key in hexadecimal", base64.b64decode(text).hex())
    for role in ROLES:
        marks.secret(f"password of {role}", postgres.password(role))
    return environment_for(
        database,
        folder,
        CONSENT_MODE="production",
        CONSENT_LOG_LEVEL="debug",
        CONSENT_DEVELOPMENT_KEY="",
        CONSENT_JWKS=str(keys),
        CONSENT_TOKEN_ISSUER=ISSUER,
        CONSENT_TOKEN_AUDIENCE=AUDIENCE,
        CONSENT_LOOKUP_KEYS=f"l1={made['lookup']}",
        CONSENT_SEALING_KEYS=f"s1={made['sealing']}",
        CONSENT_KAFKA_BOOTSTRAP=broker.bootstrap,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_SWEEPER_DATABASE_URL=database.url("consent_sweeper"),
    )


@pytest.mark.timeout(300)
async def test_marked_values_come_out_where_they_are_promised_and_nowhere_else(
    postgres: PostgresServer, broker: KafkaServer, tmp_path: Path
) -> None:
    database = await copy_template(postgres)
    await load_catalogue(database)
    issuer, marks, outputs = Issuer(), Marks(), Outputs()
    environment = environment_of(postgres, database, broker, issuer, marks, tmp_path)
    async with running(environment, outputs) as url:
        stage = Stage(url, database, broker, issuer, marks, outputs)
        known = await somebody(stage)
        await eventually(lambda: answers(stage, "/v1/states"))
        await well(stage, known)
        await badly(stage, known)
        await in_a_browser(stage)
        await on_the_wire(stage)
        await on_kafka(stage)
        await while_something_is_away(stage, known)
        await stage.close()
    await run(environment, outputs, "ledger", "verify")
    await run(environment, outputs, "events", "verify")
    found = outputs.joined()
    found["dump"] = await dump(postgres, database, "--exclude-table-data=audit")
    found["dump of the audit trail"] = await dump(postgres, database, "--table=audit")
    for topic, content in (await read_topics(broker.bootstrap)).items():
        found[f"topic {topic}"] = content
    for engine in (postgres, broker):
        found[f"log of {engine.name}"] = engine.log_file.read_bytes()
    planted = {name: ("message",) for name in found if name.endswith(".acks.v1")}
    # The words of the trigger below.
    planted[f"log of {postgres.name}"] = ("actor",)

    assert leaks(found, marks.all, {**PROMISED, **planted}) == []

    all_went_through(stage, found)
    await drop(postgres, database)


def all_went_through(stage: Stage, found: dict[str, bytes]) -> None:
    """What was looked through is what should be there: else nothing was shown."""
    names = {operation.name for operation in OPERATIONS}
    assert {name for name in names if any(200 <= one < 300 for one in stage.statuses[name])} == names
    assert {name for name in names if any(400 <= one < 500 for one in stage.statuses[name])} == names
    failed = {name for name in names if stage.statuses[name] & {500}}
    assert {
        "findOrMakeSubject",
        "linkIdentifiers",
        "readIdentifiers",
        "recordCommand",
        "readHistory",
    } <= failed
    assert stage.marks.email.text.encode() in found["readIdentifiers"]
    assert stage.marks.evidence.text.encode() in found["readRecord"]
    for name in ("serve", "relay", "sweep", "PostgreSQL", "Kafka"):
        assert f"log of {name}" in found
    assert b'"level": "debug"' in found["log of serve"]
    assert b"request failed" in found["log of serve"]
    assert b"an acknowledgement is passed over" in found["log of serve"]
    prefix = "topic " + stage.database.name.replace("_", "-")
    assert all(found[f"{prefix}.{name}.v1"] for name in ("changes", "state", "purposes", "notices"))
    assert stage.marks.message.text.encode() in found[f"{prefix}.acks.v1"]
    assert b"COPY public.record_details" in found["dump"]


async def answers(stage: Stage, path: str) -> bool:
    return (await stage.ask("readStates", "GET", path)).status_code == 200


async def somebody(stage: Stage) -> Known:
    """A person with every kind of identifier, and a record with evidence."""
    marks = stage.marks
    made = await stage.call(post("findOrMakeSubject", "/v1/subjects", {"identifiers": marks.identifiers()}))
    path = f"/v1/subjects/{made.json()['subject_id']}"
    visitor = {"identifiers": [{"type": "visitor", "value": marks.visitor.value}]}
    linked = await stage.call(post("linkIdentifiers", f"{path}/identifiers", visitor))
    evidence = {marks.evidence_name.value: [marks.evidence.value]}
    said = {"version": 1, "evidence": evidence}
    granted = await stage.call(post("recordCommand", f"{path}/consents/newsletter/grant", said))
    await stage.ask("putPurpose", "PUT", "/v1/purposes/drafted?draft=true", b"{}")
    return Known(
        subject_id=made.json()["subject_id"],
        record_id=granted.json()["record"]["record_id"],
        extra_id=linked.json()["items"][0]["identifier_id"],
        identifier=marks.identifiers()[0],
        evidence=evidence,
    )


def post(name: str, path: str, body: Any) -> Asked:
    return Asked(name, "POST", path, body)


async def well(stage: Stage, known: Known) -> None:
    """Each operation once, and those with a key twice; `unlinkIdentifier` takes the visitor away."""
    for one in calls(known):
        keyed = {"idempotency_key": stage.marks.key.value + one.name} if one.method == "POST" else {}
        for _ in range(1 + len(keyed)):
            answer = await stage.call(one, **keyed)
            assert answer.is_success, (one, answer.text)


async def badly(stage: Stage, known: Known) -> None:
    """Each operation with marks in all places where they make it fail."""
    marks = stage.marks
    for operation, one in zip(OF_SYSTEMS, calls(known), strict=True):
        query, step = quote(marks.query.value), quote(marks.path.value, safe="")
        paths = [f"{one.path}?as_of={query}&as_of={query}", f"{one.path}/{step}"]
        paths += [f"{one.path}?{parameter.name}={query}" for parameter in operation.query]
        paths += with_marked_step(operation.path, one.path, step)
        for path in paths:
            await stage.call(one.with_path(path))
        for header in ("idempotency_key", "if_match", "last_event_id", "content_type", "content_encoding"):
            await stage.call(one, **{header: f"{marks.header.value} x"})
        for token in (marks.token.value, f"{marks.token.value}.{marks.token.value}.{marks.token.value}"):
            await stage.call(one, authorization=f"Bearer {token}")
        wrong: tuple[dict[str, Any], ...] = (
            {"exp": 1},
            {"scope": marks.token.value},
            {"aud": marks.token.value},
        )
        for claims in (*wrong, {"controller": marks.token.text}, {"recipient": marks.token.value}):
            token = stage.issuer.sign(**{"sub": marks.actor.value, **claims})
            await stage.call(one, authorization=f"Bearer {token}")
        await stage.ask(one.name, "PATCH", one.path, b"")
        if one.body is not None:
            for body in broken(one.body, marks.value.value):
                await stage.ask(one.name, one.method, one.path, body)


def with_marked_step(template: str, path: str, text: str) -> Iterator[str]:
    """The path with this text in the place of one parameter, of each in turn."""
    steps = path.split("/")
    for place, step in enumerate(template.split("/")):
        if step.startswith("{"):
            yield "/".join([*steps[:place], text, *steps[place + 1 :]])


async def on_the_wire(stage: Stage) -> None:
    """What is no request at all."""
    value = stage.marks.value.value.encode()
    await stage.send(b"%b\r\n\r\n" % value)
    await stage.send(b"GET /%b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % (value, value))
    await stage.send(b"GET /%b HTTP/1.1\r\nHost: a\r\nContent-Length: %b\r\n\r\n" % (value, value))
    await stage.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n" % (value * 4_000))


async def on_kafka(stage: Stage) -> None:
    """Recipients that say what nobody understands."""
    value = stage.marks.message.value.encode()
    topic = stage.database.name.replace("_", "-") + ".acks.v1"
    producer = AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap)
    await producer.start()
    try:
        for key, content, headers in (
            (value, value, []),
            (value, None, [("ce_type", value)]),
            (value, value, [(stage.marks.message.value, value)]),
        ):
            await producer.send_and_wait(topic, content, key=key, headers=headers)
    finally:
        await producer.stop()


#: What goes wrong in the database, and how it is mended: no connections; a column that is not there; rows that are
#: refused with words that show them, and one with words of its own, that quote it.
PLANTED = {
    "alter role consent_service connection limit 0": "alter role consent_service connection limit -1",
    "alter table records rename column language to tongue": "alter table records rename column tongue to language",
    "alter table record_details add constraint planted check (false) not valid": (
        "alter table record_details drop constraint planted"
    ),
    "alter table identifiers add constraint planted check (false) not valid": (
        "alter table identifiers drop constraint planted"
    ),
    "create function planted() returns trigger language plpgsql as "
    "$$begin raise exception 'not %', new.actor; end$$; "
    "create trigger planted before insert on audit for each row execute function planted()": (
        "drop trigger planted on audit; drop function planted()"
    ),
}
SEND_AWAY = (
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()"
)


async def while_something_is_away(stage: Stage, known: Known) -> None:
    connection = await stage.database.connect()
    try:
        for plant, mend in PLANTED.items():
            await connection.execute(plant)
            await connection.execute(SEND_AWAY, stage.database.name)
            if "connection limit" not in plant:
                await eventually(lambda: answers(stage, "/readyz"))
            try:
                await all_at_once(stage, known)
            finally:
                await connection.execute(mend)
            await eventually(lambda: answers(stage, "/readyz"))
    finally:
        await connection.close()
    await stage.kafka.kill()
    await all_at_once(stage, known)
    await stage.kafka.restart()


async def all_at_once(stage: Stage, known: Known) -> None:
    """Each operation but the one that cannot be done twice; what writes has something new to write."""
    new = {"type": "external:crm", "value": stage.marks.external.value + secrets.token_hex(4)}
    path = f"/v1/subjects/{known.subject_id}"
    writing = [
        post("findOrMakeSubject", "/v1/subjects", {"identifiers": [new]}),
        post(
            "linkIdentifiers", f"{path}/identifiers", {"identifiers": [{**new, "value": new["value"] + "x"}]}
        ),
        post("recordCommand", f"{path}/consents/newsletter/withdraw", {"evidence": known.evidence}),
        post(
            "recordCommand", f"{path}/consents/newsletter/grant", {"version": 1, "evidence": known.evidence}
        ),
    ]
    for one in (*writing, *calls(known)):
        if one.method != "DELETE":
            await stage.call(one)
