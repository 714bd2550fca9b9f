"""GET /v1/states: the snapshot that a stream goes on from, by a real service with its relay (R32)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from consent_service.cli.token import make_token
from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.http.queries import write_cursor
from consent_service.settings import load_settings
from consent_service.storage.database import open_database
from consent_service.usecases.catalogue import Catalogue
from tests.databases import TestDatabase, copy_template, drop
from tests.events.streams import eventually
from tests.http.conftest import PURPOSES, UNKNOWN_ID
from tests.http.event_streams import EventStream, streaming
from tests.http.tables import told
from tests.http.test_openapi import DOCUMENT, fits
from tests.processes import Service, environment_for, grant, start_service

STREAMS = 1_000
GROWTH_BYTES_MAX = 20 * 1024 * 1024
_numbers = itertools.count(1)


class Running:
    """A service in a process of its own that publishes too, and tokens for it."""

    def __init__(self, service: Service, environment: dict[str, str], database: TestDatabase) -> None:
        self.service = service
        self.url = service.url
        self._database = database
        self._settings = load_settings(environment)

    def token(self, controller: str = "ansettr", subject: str = "development") -> str:
        return make_token(self._settings, controller, subject=subject)

    def client(self, controller: str = "ansettr") -> httpx.AsyncClient:
        return self.service.client(controller)

    @asynccontextmanager
    async def stream(self, last_id: str | None = None) -> AsyncIterator[EventStream]:
        async with streaming(self.url, self.token(), last_id=last_id) as opened:
            yield opened

    async def exports(self) -> list[dict[str, Any]]:
        """What the audit trail tells of exports, the oldest first."""
        connection = await self._database.connect()
        rows = await connection.fetch(
            "select actor, reason, details::text from audit where action = 'states.exported' order by audit_id"
        )
        await connection.close()
        return [{"actor": row[0], "reason": row[1], **json.loads(row[2])} for row in rows]

    def memory_bytes(self) -> int:
        """What the process holds in memory now."""
        pages = Path(f"/proc/{self.service.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096


async def load(database: TestDatabase) -> None:
    async with open_database(
        database.url(), connections_max=2, statement_timeout_s=10, lock_timeout_s=5, name="test"
    ) as opened:
        for controller in ("ansettr", "sonh"):
            entry = ControllerEntry(slug=controller, legal_name="A")
            await Catalogue(opened).load(CatalogueEntries(controller=entry, purposes=PURPOSES), "test")
    connection = await database.connect()
    await connection.execute("update controllers set topic_prefix = $1", database.name.replace("_", "-"))
    await connection.close()


@pytest.fixture(scope="module")
async def running(
    postgres: PostgresServer, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    database = await copy_template(postgres)
    await load(database)
    environment = environment_for(
        database,
        tmp_path_factory.mktemp("service"),
        CONSENT_RELAY_DATABASE_URL=database.url("consent_relay"),
        CONSENT_KAFKA_BOOTSTRAP=kafka.bootstrap,
    )
    service = await start_service(environment)
    made = Running(service, environment, database)
    try:
        async with made.client() as client:
            # The relay makes the topics with the first thing that it publishes.
            await somebody(client, "newsletter")
            await eventually(lambda: answers(client, "/v1/states"))
        yield made
    finally:
        await service.process.stop(signal.SIGKILL)
    await drop(postgres, database)


async def answers(client: httpx.AsyncClient, path: str) -> bool:
    return (await client.get(path)).status_code == 200


async def somebody(client: httpx.AsyncClient, purpose: str) -> str:
    """A new person who agrees."""
    identifier = {"type": "external:crm", "value": f"person-{next(_numbers)}"}
    subject_id: str = (await grant(client, identifier, purpose))["subject_id"]
    return subject_id


async def snapshot(client: httpx.AsyncClient, limit: int) -> tuple[list[dict[str, Any]], str]:
    """All pages, and where the stream goes on."""
    items: list[dict[str, Any]] = []
    query: dict[str, str | int] = {"limit": limit}
    while True:
        answer = await client.get("/v1/states", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next"] is None:
            return items, page["resume"]
        query["after"] = page["next"]


async def test_R32_a_state_is_what_the_persons_own_page_says(running: Running) -> None:
    async with running.client() as client:
        person = await somebody(client, "newsletter")
        await client.post(
            f"/v1/subjects/{person}/consents/newsletter/prefer", json={"preferences": {"topics": ["jobs"]}}
        )
        await client.post(f"/v1/subjects/{person}/consents/analytics/object")
        await client.post(f"/v1/subjects/{person}/consents/hr-hub/request", json={"version": 1})
        items, _ = await snapshot(client, 1000)
        own = (await client.get(f"/v1/subjects/{person}")).json()["consents"]
        answer = await client.get("/v1/states")
    fits(
        DOCUMENT["paths"]["/v1/states"]["get"]["responses"]["200"]["content"]["application/json"]["schema"],
        answer.json(),
    )
    theirs = [one for one in items if one["subject_id"] == person]

    assert [one["sequence"] for one in theirs] == [3, 4, 2]
    assert [{name: one[name] for name in own[0]} for one in theirs] == own


async def test_R32_pages_hold_each_state_once_and_the_same_resume(running: Running) -> None:
    async with running.client() as client, running.client("sonh") as other:
        persons = [await somebody(client, purpose) for purpose in ("newsletter", "newsletter")]
        await somebody(other, "newsletter")
        whole, _ = await snapshot(client, 1000)
        for limit in (1, 2, 7):
            items, _ = await snapshot(client, limit)
            assert items == whole
        first = (await client.get("/v1/states", params={"limit": 1})).json()
        await somebody(client, "newsletter")
        second = (await client.get("/v1/states", params={"limit": 1, "after": first["next"]})).json()
    pairs = [(one["subject_id"], one["purpose"]) for one in whole]

    assert pairs == sorted(set(pairs))
    assert {person for person, _ in pairs} >= set(persons)
    assert first["resume"] == second["resume"]


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        write_cursor(UNKNOWN_ID),
        write_cursor(f"{UNKNOWN_ID}/newsletter/"),
        write_cursor(f"{UNKNOWN_ID}/newsletter/AAAA"),
        write_cursor(f"{UNKNOWN_ID}/newsletter/{UNKNOWN_ID}/"),
        write_cursor(f"{UNKNOWN_ID}/News/{UNKNOWN_ID}/AAAA"),
        write_cursor(f"{UNKNOWN_ID}/newsletter/nothing/AAAA"),
        write_cursor(f"nobody/newsletter/{UNKNOWN_ID}/AAAA"),
        write_cursor(f"{UNKNOWN_ID}/newsletter/{UNKNOWN_ID}/AAAA/A"),
        "A" * 6001,
    ],
)
async def test_R32_a_cursor_that_is_none_is_refused(running: Running, cursor: str) -> None:
    async with running.client() as client:
        answer = await client.get("/v1/states", params={"after": cursor})

    assert told(answer) == "400 invalid-request after"


async def test_an_export_is_audited_once_however_many_pages_it_has(running: Running) -> None:
    async with running.client() as client:
        for _ in range(3):
            await somebody(client, "newsletter")
        before = len(await running.exports())
        client.headers["consent-reason"] = "yearly report"
        await snapshot(client, 1)
        await snapshot(client, 1000)

    entry = {"actor": "development", "reason": "yearly report"}
    assert (await running.exports())[before:] == [entry, entry]


async def test_a_page_of_an_export_that_the_trail_does_not_know_is_one_itself(running: Running) -> None:
    """Cursors are no secret: who makes one up, or takes somebody else's or an older one, is told of all the same."""
    behind_all = "00000000-0000-0000-0000-000000000000"
    async with running.client() as client, running.client("sonh") as other:
        for each in (client, client, other, other):
            await somebody(each, "newsletter")
        theirs = (await other.get("/v1/states", params={"limit": 1})).json()
        export_id = base64.urlsafe_b64decode(theirs["next"] + "==").decode().split("/")[2]
        before = len(await running.exports())
        next_page = write_cursor(f"{behind_all}/newsletter/{export_id}/{theirs['resume']}")
        page = (await client.get("/v1/states", params={"after": next_page, "limit": 1})).json()
        await client.get("/v1/states", params={"after": page["next"], "limit": 1})
        client.headers["authorization"] = f"Bearer {running.token(subject='another')}"
        await client.get("/v1/states", params={"after": page["next"], "limit": 1})
    entered = (await running.exports())[before:]

    assert len(page["items"]) == 1
    assert [one["actor"] for one in entered] == ["development", "another"]
    assert [one["behind"] for one in entered] == [behind_all, page["items"][0]["subject_id"]]


async def test_R32_snapshot_and_stream_together_hold_every_state(running: Running) -> None:
    """Read page by page while many write: what the pages do not know comes on the stream, and nothing is missing."""
    chance = random.Random(1)  # noqa: S311  a story, not a secret
    async with running.client() as client:
        persons = [await somebody(client, "newsletter") for _ in range(20)]
        over = asyncio.Event()

        async def write() -> None:
            while not over.is_set():
                person = chance.choice(persons)
                command = chance.choice(("grant", "withdraw", "object"))
                purpose = "analytics" if command == "object" else "newsletter"
                body = {"version": 1} if command == "grant" else {}
                await client.post(f"/v1/subjects/{person}/consents/{purpose}/{command}", json=body)
                if chance.random() < 0.1:
                    persons.append(await somebody(client, "newsletter"))

        writers = [asyncio.create_task(write()) for _ in range(4)]
        items, resume = await snapshot(client, 3)
        over.set()
        await asyncio.gather(*writers)
        known = {(one["subject_id"], one["purpose"]): one for one in items}
        last = await somebody(client, "newsletter")
        async with running.stream(resume) as stream:
            told_of: set[str] = set()
            while last not in told_of or told_of < set(persons) - {one["subject_id"] for one in items}:
                change = await stream.change()
                told_of.add(change["subject_id"])
                key = (change["subject_id"], change["purpose"])
                if change["sequence"] > known.get(key, {"sequence": 0})["sequence"]:
                    known[key] = change
            await settle(stream, client, known)
        for person in [*persons, last]:
            for own in (await client.get(f"/v1/subjects/{person}")).json()["consents"]:
                here = known[person, own["purpose"]]
                assert (here["status"], here["record_id"]) == (own["status"], own["record_id"])


async def settle(stream: EventStream, client: httpx.AsyncClient, known: dict[tuple[str, str], Any]) -> None:
    """Follow until a last change of every partition is here: partitions have no order among them."""
    ends = {await somebody(client, "newsletter") for _ in range(60)}
    while ends:
        change = await stream.change()
        ends.discard(change["subject_id"])
        key = (change["subject_id"], change["purpose"])
        if change["sequence"] > known.get(key, {"sequence": 0})["sequence"]:
            known[key] = change


async def test_R32_a_thousand_streams_are_open_in_one_process_with_flat_memory(running: Running) -> None:
    async with running.client() as client:
        opened = [running.stream() for _ in range(STREAMS)]
        try:
            streams = []
            for part in range(0, STREAMS, 50):
                streams += await asyncio.gather(*(one.__aenter__() for one in opened[part : part + 50]))
            metrics = (await client.get("/metrics")).text
            assert f"consent_feed_readers {STREAMS}.0" in metrics
            await everyone_hears(streams, await somebody(client, "newsletter"))
            before = running.memory_bytes()
            for _ in range(3):
                await everyone_hears(streams, await somebody(client, "newsletter"))
            assert running.memory_bytes() - before < GROWTH_BYTES_MAX
        finally:
            for one in opened[: len(streams)]:
                await one.__aexit__(None, None, None)


async def everyone_hears(streams: list[EventStream], person: str) -> None:
    heard = await asyncio.gather(*(stream.change() for stream in streams))
    assert {change["subject_id"] for change in heard} == {person}


async def test_R32_a_service_that_is_told_to_stop_ends_its_streams_properly(running: Running) -> None:
    """The last test of this file: it ends the service."""
    async with running.stream() as first, running.stream() as second:
        begun = time.monotonic()
        stopping = asyncio.create_task(running.service.process.stop())
        assert await first.event() is None
        assert await second.event() is None
        assert time.monotonic() - begun < 1
        assert await stopping == 0
