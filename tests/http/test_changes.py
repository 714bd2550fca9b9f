"""GET /v1/changes over real connections: how a stream begins, what it carries, and every way in which it ends (R32)."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry
from consent_service.domain.records import Preferences
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.events.feed.feed import open_feed
from consent_service.http import streaming as sending
from consent_service.http.application import build_app
from consent_service.http.auth import LEEWAY_S
from consent_service.http.connection import BoundedRequests
from consent_service.http.server import listen, serve
from consent_service.http.services import Services
from consent_service.metrics import Metrics
from tests.databases import TestDatabase
from tests.events.feeds import Topic, change
from tests.events.streams import eventually, subject
from tests.http.conftest import Api, running_services
from tests.http.event_streams import Cut, EventStream, streaming
from tests.http.issuers import Issuer
from tests.http.tables import told
from tests.http.test_openapi import DOCUMENT, fits

_prefixes = itertools.count(1)


class Served:
    """A service in this process, at a real address, and the topic that it reads."""

    def __init__(
        self,
        url: str,
        issuer: Issuer,
        topic: Topic,
        metrics: Metrics,
        stop: asyncio.Event,
        database: TestDatabase,
    ) -> None:
        self.url = url
        self.database = database
        self.topic = topic
        self.metrics = metrics
        self.stop = stop
        self._issuer = issuer

    def token(self, **claims: Any) -> str:
        return self._issuer.sign(**claims)

    @asynccontextmanager
    async def stream(self, controller: str = "ansettr", **options: Any) -> AsyncIterator[Any]:
        async with streaming(self.url, self.token(controller=controller), **options) as opened:
            yield opened


@asynccontextmanager
async def served(kafka: KafkaServer, postgres: PostgresServer, **options: Any) -> AsyncIterator[Served]:
    metrics, stop, ready = Metrics(), asyncio.Event(), asyncio.Event()
    topic = Topic(kafka.bootstrap, f"changes-{next(_prefixes)}", 2)
    async with (
        running_services(postgres) as (services, issuer, database),
        topic.open(),
        topic.feed(metrics, **options) as made,
        open_feed(made, stop) as feed,
    ):
        await load(services)
        app = build_app(dataclasses.replace(services, feed=feed), public_url="http://consent.example")
        bound = listen("127.0.0.1", 0)
        serving = asyncio.create_task(serve(app, bound, stop, ready.set, 5))
        await ready.wait()
        host, port = bound.getsockname()
        yield Served(f"http://{host}:{port}", issuer, topic, metrics, stop, database)
        stop.set()
        await serving


async def load(services: Services) -> None:
    for controller in ("ansettr", "sonh"):
        entry = ControllerEntry(slug=controller, legal_name="A")
        await services.catalogue.load(CatalogueEntries(controller=entry, purposes=()), "test")


@pytest.fixture(scope="module")
async def service(kafka: KafkaServer, postgres: PostgresServer) -> AsyncIterator[Served]:
    async with served(kafka, postgres, heartbeat_s=0.4) as running:
        yield running


async def test_R32_an_event_says_what_kafka_says_in_the_words_of_the_interface(service: Served) -> None:
    async with service.stream() as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["x-request-id"]
        assert 1000 <= stream.retry_ms <= 3000
        await service.topic.publish([change(1, 7, preferences=Preferences(topics=("jobs",)))])
        event = await stream.event()

    assert event.name == "change"
    assert event.data["sequence"] == 7
    assert event.data["command"] == "grant"
    assert event.data["recorded_at"] == "2026-01-02T00:00:00Z"
    assert event.data["permission"] == {
        "allowed": True,
        "reason": "given",
        "status": "given",
        "version": 1,
        "until": None,
    }
    answer = DOCUMENT["paths"]["/v1/changes"]["get"]["responses"]["200"]
    fits(answer["content"]["text/event-stream"]["schema"], event.data)


async def test_R32_last_event_id_and_after_go_on_behind_that_event(service: Served) -> None:
    async with service.stream() as stream:
        await service.topic.publish([change(2, sequence) for sequence in (1, 2, 3)])
        ids = [(await stream.event()).id for _ in range(3)]
    async with service.stream(last_id=ids[0]) as stream:
        assert (await stream.change())["sequence"] == 2
    async with service.stream(path=f"/v1/changes?after={ids[1]}") as stream:
        assert (await stream.change())["sequence"] == 3
    async with service.stream(path=f"/v1/changes?after={ids[1]}", last_id=ids[0]) as stream:
        assert (await stream.change())["sequence"] == 2, "the header comes first"


async def test_every_stream_that_is_opened_is_audited(service: Served) -> None:
    connection = await service.database.connect()
    before = await connection.fetchval("select count(*) from audit")
    async with service.stream() as stream:
        last_id = stream.hello.id
    async with service.stream(path=f"/v1/changes?after={last_id}"):
        pass
    async with streaming(service.url, service.token(purposes=["b", "a"])):
        pass
    async with service.stream(last_id="nonsense") as refused:
        assert refused.status == 400
    entered = await connection.fetch(
        "select actor, action, details::text from audit order by audit_id offset $1", before
    )
    await connection.close()

    assert [tuple(row) for row in entered] == [
        ("web-shop", "changes.followed", details)
        for details in (
            '{"resumed": false}',
            '{"resumed": true}',
            '{"resumed": false, "purposes": ["a", "b"]}',
        )
    ]


async def test_no_stream_is_opened_that_the_trail_cannot_tell_of(service: Served) -> None:
    holder = await service.database.connect()
    async with holder.transaction():
        await holder.execute("lock table audit in share row exclusive mode")
        async with service.stream() as refused:
            assert refused.status == 503
    await holder.close()

    # What was opened before is closed again.
    await eventually(lambda: readers(service, 0))


async def test_R32_controllers_of_one_topic_see_their_own(service: Served) -> None:
    async with service.stream("sonh") as theirs, service.stream() as ours:
        await service.topic.publish([change(3, 1), change(3, 2, controller="sonh")])
        assert (await theirs.change())["controller"] == "sonh"
        assert (await ours.change())["controller"] == "ansettr"
        token = service.token(purposes=["analyse"])
        async with streaming(service.url, token) as some:
            await service.topic.publish([change(3, 3), change(3, 4, purpose="analyse")])
            assert (await some.change())["sequence"] == 4


async def test_R32_signs_of_life_come_in_time_with_the_newest_id(service: Served) -> None:
    async with service.stream() as stream:
        await service.topic.publish([change(4, 1, controller="sonh")])
        begun = time.monotonic()
        texts = [await stream.text() for _ in range(3)]
        took = time.monotonic() - begun
        await service.topic.publish([change(4, 2)])
        event = await stream.event()

    assert all(text.startswith(": heartbeat\nid: ") for text in texts)
    assert took < 3 * 0.4 + 0.2
    assert texts[-1].split("id: ")[1].strip() not in (stream.hello.id, event.id)


@pytest.mark.parametrize("options", [{"last_id": "nonsense"}, {"path": "/v1/changes?after=nonsense"}])
async def test_R32_an_id_that_is_none_is_400_and_names_where_it_stood(
    service: Served, options: dict[str, str]
) -> None:
    async with service.stream(**options) as stream:
        problem = await stream.problem()

    assert stream.status == 400
    assert problem["type"] == "/problems/invalid-request"
    assert [fault["parameter"] for fault in problem["errors"]] == [
        "Last-Event-ID" if "last_id" in options else "after"
    ]


async def test_R32_an_id_that_is_no_longer_kept_is_410_and_names_the_snapshot(service: Served) -> None:
    async with Topic(service.topic.bootstrap, service.topic.prefix + "x", 2).open() as other:
        async with other.feed() as feed:
            foreign = await feed.newest("ansettr")
    async with service.stream(last_id=foreign) as stream:
        problem = await stream.problem()

    assert stream.status == 410
    assert stream.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["snapshot"]) == ("/problems/no-longer-kept", "/v1/states")
    fits({"$ref": "#/components/schemas/Problem"}, problem)


@pytest.mark.parametrize("path", ["/v1/changes", "/v1/states"])
async def test_R32_without_kafka_the_answer_is_503_and_says_what_is_missing(api: Api, path: str) -> None:
    answer = await api("GET", path)

    assert told(answer) == "503 unavailable"
    assert "CONSENT_KAFKA_BOOTSTRAP" in answer.json()["detail"]
    assert answer.headers["retry-after"]


async def test_R32_head_has_no_body_and_leaves_nothing_open(service: Served) -> None:
    async with service.stream(method="HEAD") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream"

        await eventually(lambda: readers(service, 0))


async def readers(service: Served, count: int) -> bool:
    return bool(service.metrics.feed_readers._value.get() == count)


async def test_R22_a_controller_with_all_its_streams_is_told_to_come_later_and_another_is_served(
    kafka: KafkaServer, postgres: PostgresServer
) -> None:
    async with served(kafka, postgres, readers_max=4) as service:
        async with service.stream(), service.stream():
            async with service.stream() as refused:
                assert refused.status == 503
                assert int(refused.headers["retry-after"]) > 0
                assert (await refused.problem())["type"].endswith("/overloaded")
            async with service.stream("sonh") as other:
                assert other.status == 200
        await eventually(lambda: readers(service, 0))
        async with service.stream() as again:
            assert again.status == 200


async def test_R32_a_client_that_leaves_is_forgotten(service: Served) -> None:
    async with service.stream(), service.stream():
        await eventually(lambda: readers(service, 2))
    await eventually(lambda: readers(service, 0))


async def test_R32_a_stream_ends_with_its_token(service: Served) -> None:
    token = service.token(exp=int(time.time()) - LEEWAY_S + 2)
    async with streaming(service.url, token) as stream, service.stream() as other:
        begun = time.monotonic()
        assert await stream.event() is None
        assert time.monotonic() - begun < 3
        await service.topic.publish([change(5, 1)])
        assert (await other.change())["subject_id"] == str(subject(5))


async def test_R32_a_reader_that_takes_nothing_is_cut_off_and_others_go_on(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it meanwhile is bounded; its connection is reset, so it cannot take the end for a proper one."""
    monkeypatch.setattr(sending, "TAKE_S_MAX", 0.5)
    many, large = 300, Preferences(topics=tuple(f"topic-{number:034d}" for number in range(600)))
    buffered: list[int] = []
    async with service.stream(receive_bytes=4096) as stuck, service.stream() as quick:
        open_now = connections()
        for sequence in range(1, many + 1, 20):
            await service.topic.publish([change(6, sequence + more, preferences=large) for more in range(20)])
            for _ in range(20):
                await quick.event()
            buffered += [one.transport.get_write_buffer_size() for one in open_now]
        await eventually(lambda: readers(service, 1))
        with pytest.raises(Cut):
            await to_the_end(stuck)
        await service.topic.publish([change(6, many + 1)])
        assert (await quick.change())["sequence"] == many + 1
    assert service.metrics.feed_cut_off.labels("stalled")._value.get() == 1
    assert 0 < max(buffered) < 256 * 1024


async def test_R32_a_reader_of_the_past_that_takes_nothing_is_cut_off_and_frees_its_place(
    kafka: KafkaServer, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TAKE_S_MAX", 0.5)
    large = Preferences(topics=tuple(f"topic-{number:034d}" for number in range(600)))
    async with served(kafka, postgres, window_rows_max=2, catch_ups_max=1) as service:
        async with service.stream() as first:
            beginning = first.hello.id
        await service.topic.publish([change(6, sequence, preferences=large) for sequence in range(1, 301)])
        await eventually(lambda: readers(service, 0))
        async with service.stream(receive_bytes=4096, last_id=beginning) as stuck:
            await eventually(lambda: readers(service, 0))
            with pytest.raises(Cut):
                await to_the_end(stuck)
        assert service.metrics.feed_cut_off.labels("stalled")._value.get() == 1
        async with service.stream(last_id=beginning) as again:
            assert (await again.change())["sequence"] == 1


async def to_the_end(stream: EventStream) -> None:
    while await stream.event():
        pass


def connections() -> list[BoundedRequests]:
    return [
        one for one in gc.get_objects() if isinstance(one, BoundedRequests) and not one.transport.is_closing()
    ]


async def test_R32_the_end_of_the_service_ends_streams_at_once_and_properly(
    kafka: KafkaServer, postgres: PostgresServer
) -> None:
    async with served(kafka, postgres) as service:
        async with service.stream() as stream:
            await service.topic.publish([change(1, 1)])
            await stream.change()
            service.stop.set()
            begun = time.monotonic()
            assert await stream.event() is None
        assert time.monotonic() - begun < 0.5
