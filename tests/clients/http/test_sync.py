"""The synchronous face: the same calls, from any thread, and a clean end."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from consent_client import ConsentClient, SyncConsentClient
from consent_client.errors import Closed, Refused, Unavailable
from consent_client.http.sync import Settings
from consent_client.model import Change, SignOfLife

from consent_service.embedded.ports import HOST, free_port
from tests.clients.conftest import Place
from tests.clients.persons import somebody

T = TypeVar("T")
PIXEL = "facebook-piksel"
PATIENCE_S = 50.0


async def in_thread(work: Callable[[], T]) -> T:
    """Those who use it have no event loop."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.to_thread(work)


def public(kind: type) -> set[str]:
    return {name for name, member in vars(kind).items() if callable(member) and not name.startswith("_")}


def test_it_has_every_call_with_the_same_parameters() -> None:
    assert public(SyncConsentClient) == public(ConsentClient)
    for name in public(ConsentClient):
        ours, theirs = getattr(SyncConsentClient, name), getattr(ConsentClient, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    own = set(inspect.signature(ConsentClient.__init__).parameters) - {"self", "url", "token"}
    assert own == set(Settings.__annotations__)


async def test_the_main_job_without_asyncio(place: Place) -> None:
    def work() -> None:
        with SyncConsentClient(place.url, place.token(), timeout_s=5.0) as client:
            made = client.subject(somebody())
            assert client.grant(made.subject_id, PIXEL, 1).permission.allowed
            client.withdraw(made.subject_id, PIXEL)
            assert not client.permission(made.subject_id, PIXEL).allowed
            assert [record.sequence for record in client.records(made.subject_id)] == [1, 2]
            with pytest.raises(Refused, match="404"):
                client.purpose("no-such-purpose")
            pages = list(client.states())
            assert pages[-1].items

    await in_thread(work)


async def test_changes_are_iterated_and_whoever_stops_closes_the_connection(place: Place) -> None:
    def work() -> None:
        with SyncConsentClient(place.url, place.token()) as client:
            changes = client.changes()
            last, nothing = next(changes)
            assert isinstance(nothing, SignOfLife)
            subject_id = client.subject(somebody()).subject_id
            record = client.grant(subject_id, PIXEL, 1).record
            assert record.record_id in (told.record_id for _, told in changes if isinstance(told, Change))
            changes.close()
            for _, change in client.changes(last):
                if isinstance(change, Change) and change.record_id == record.record_id:
                    break

    await in_thread(work)


async def test_an_iteration_that_was_left_alone_ends_with_the_client(place: Place) -> None:
    def work() -> None:
        with SyncConsentClient(place.url, place.token()) as client:
            changes = client.changes()
            next(changes)
        with pytest.raises(Closed):
            next(changes)
        del changes
        gc.collect()

    await in_thread(work)
    gc.collect()


async def test_many_threads_use_one_client(place: Place) -> None:
    def work() -> None:
        with SyncConsentClient(place.url, place.token()) as client, ThreadPoolExecutor(8) as pool:
            persons = [one.subject_id for one in pool.map(lambda _: client.subject(somebody()), range(8))]
            assert len(set(persons)) == 8
            given = list(pool.map(lambda who: client.grant(who, PIXEL, 1).record.subject_id, persons))
            assert given == persons

    await in_thread(work)


async def test_who_waits_while_it_is_closed_is_told_so(place: Place) -> None:
    def work() -> None:
        before = threading.active_count()
        client = SyncConsentClient(place.url, place.token())
        changes = client.changes()
        next(changes)
        heard = threading.Event()
        failures: list[BaseException] = []

        def follow() -> None:
            try:
                for _ in changes:
                    heard.set()
            except Closed as closed:
                failures.append(closed)

        follower = threading.Thread(target=follow)
        follower.start()
        assert heard.wait(PATIENCE_S)
        client.close()
        follower.join(PATIENCE_S)
        assert [type(failure) for failure in failures] == [Closed]
        client.close()
        with pytest.raises(Closed):
            client.purposes()
        with pytest.raises(Closed):
            next(client.changes())
        assert threading.active_count() == before

    await in_thread(work)


async def test_closing_does_not_wait_for_what_never_comes() -> None:
    asked = threading.Event()

    async def never() -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    def work() -> None:
        client = SyncConsentClient("http://127.0.0.1:1", never, timeout_s=600, deadline_s=600)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.purposes)
            assert asked.wait(PATIENCE_S)
            client.close()
            with pytest.raises(Closed):
                waiting.result(PATIENCE_S)

    await in_thread(work)


async def test_where_nobody_answers_it_is_unavailable(place: Place) -> None:
    def work() -> Any:
        with SyncConsentClient(f"http://{HOST}:{free_port()}", place.token(), tries=2) as client:
            return client.purposes()

    with pytest.raises(Unavailable, match="no answer after 2 tries"):
        await in_thread(work)
