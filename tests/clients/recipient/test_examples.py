"""The worked examples, run as somebody downstream would run them, beside a real service."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from consent_client.wire.pb.consent.v1 import events_pb2 as pb

from consent_service.cli.token import make_token
from consent_service.settings import load_settings
from tests.clients.recipient.topics import Topics, a_step
from tests.databases import TestDatabase
from tests.endtoend.conftest import load_samples
from tests.events.streams import eventually, subject
from tests.processes import Process, environment_for, grant, serving, start

HUB = {"controller": "assessio", "purpose": "hr-hub-gjester"}
EXAMPLES = "clients.python.examples."


async def example(name: str, file: Path, topics: Topics, **environment: str) -> Process:
    told = {"KAFKA": topics.bootstrap, "PREFIX": topics.prefix, "PYTHONPATH": "clients/python"}
    return await start(str(file), environment={**told, **environment}, module=EXAMPLES + name)


async def said(topics: Topics, number: int, outcomes: list[str]) -> None:
    async def so() -> bool:
        return await topics.outcomes(number) == outcomes

    await eventually(so)


async def test_the_recruitment_database_deletes_the_candidate_who_withdraws(
    database: TestDatabase, topics: Topics, tmp_path: Path
) -> None:
    file = tmp_path / "candidates.db"
    with sqlite3.connect(file) as candidates:
        candidates.execute("create table candidates (id integer primary key, email text)")
        held = [(1, "kari@example.no"), (2, "ola@example.no")]
        candidates.executemany("insert into candidates values (?, ?)", held)
    await load_samples(database, topics.prefix)
    environment = environment_for(
        database,
        tmp_path,
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_KAFKA_BOOTSTRAP=topics.bootstrap,
    )
    async with serving(environment) as service:
        running = await example(
            "recruitment_database",
            file,
            topics,
            CONSENT_URL=service.url,
            CONSENT_TOKEN=make_token(load_settings(environment), "ansettr", scopes=["identifiers:read"]),
            MAPPING_KEY="11" * 32,
        )
        async with service.client() as client:
            kari = await grant(client, {"type": "email", "value": "kari@example.no"}, "rekruttering")
            path = f"/v1/subjects/{kari['subject_id']}/consents/rekruttering/withdraw"
            assert (await client.post(path, json={})).status_code == 201

        outcomes: list[int] = []

        async def erased() -> bool:
            told = {word.acknowledgement_id: word.outcome for word in await topics.acknowledgements()}
            outcomes[:] = told.values()
            return pb.OUTCOME_ERASED in outcomes

        await eventually(erased)
        # One that began late enough heard only what stood in the end, and may say it twice: of the state, of the change.
        assert outcomes in ([pb.OUTCOME_STARTED, pb.OUTCOME_ERASED], [pb.OUTCOME_ERASED])
        assert await running.stop() == 0, "\n".join(running.lines)

    assert sqlite3.connect(file).execute("select id from candidates").fetchall() == [(2,)]


async def test_the_webinar_publisher_takes_an_episode_private_or_lets_a_person_decide(
    topics: Topics, tmp_path: Path
) -> None:
    file = tmp_path / "episodes.db"
    episodes = sqlite3.connect(file, isolation_level=None)
    episodes.execute("create table guests (subject_id text, video_id text)")
    episodes.execute(
        "create table tasks (record_id text, subject_id text, video_id text, done integer,"
        " primary key (record_id, video_id))"
    )
    guests = [(1, "alone"), (2, "panel"), (3, "panel")]
    episodes.executemany(
        "insert into guests values (?, ?)", [(str(subject(n)), video) for n, video in guests]
    )
    running = await example("webinar_publisher", file, topics)

    await topics.tell(*(a_step(number, 2, **HUB) for number in (1, 2, 4)))

    await running.hear("alone private")
    await said(topics, 1, ["2 stopped"])
    await said(topics, 2, ["2 accepted"])
    await said(topics, 4, ["2 not_held"])
    assert episodes.execute("select video_id from tasks").fetchall() == [("panel",)]
    episodes.execute("update tasks set done = 1")
    await said(topics, 2, ["2 accepted", "2 stopped"])
    assert await running.stop() == 0, "\n".join(running.lines)
    episodes.close()
