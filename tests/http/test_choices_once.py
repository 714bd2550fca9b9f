"""A choice is recorded once, whatever a browser does: double clicks, offline replays, two tabs, two processes (R36)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from consent_service.embedded import PostgresServer
from tests.http.conftest import KEYRING
from tests.http.sites import Browser, Stage, random_id, running_sites
from tests.http.tables import told
from tests.usecases.recording import faults_of

ALL = {"matomo": "given", "pixel": "refused", "security": "refused"}
ONE_EACH = ["matomo grant", "pixel refuse", "security object"]


@pytest.fixture
async def stage(postgres: PostgresServer) -> AsyncIterator[Stage]:
    async with running_sites(postgres) as running:
        yield running


async def test_R36_the_same_choice_again_is_the_first_one(stage: Stage) -> None:
    browser = stage.browser()
    body = await browser.body(ALL)
    first, again = await browser.post(body), await browser.post(body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert await stage.said() == ONE_EACH


async def test_R36_a_choice_that_waited_offline_takes_nothing_back(stage: Stage) -> None:
    """It was sent, its answer was lost, the person withdrew, and days later the browser sends it again."""
    browser = stage.browser()
    body = await browser.body(ALL)
    await browser.post(body)
    await browser.chooses({"matomo": "withdrawn"})
    for days in (0, 2, 400):
        stage.clock.ahead = timedelta(days=days)
        again = await browser.post(body)
        assert again.status_code == 200
        assert await browser.stands("matomo") == "withdrawn: no (withdrawn)"

    assert await stage.said() == [*ONE_EACH, "matomo withdraw"]


async def test_R36_a_choice_that_comes_late_for_the_first_time_is_recorded(stage: Stage) -> None:
    browser = stage.browser()
    body = await browser.body(ALL, occurred_at="2026-03-01T08:30:00Z")
    stage.clock.ahead = timedelta(days=30)

    assert (await browser.post(body)).status_code == 201
    assert await stage.said() == ONE_EACH


async def test_R36_the_same_id_with_another_content_is_told_and_not_swallowed(stage: Stage) -> None:
    """A client that uses an id twice would lose a withdrawal without a word."""
    browser = stage.browser()
    body = await browser.body({"matomo": "given", "pixel": "refused"})
    await browser.post(body)
    other = {**body, "choices": {"matomo": "withdrawn", "pixel": "refused"}}

    assert told(await browser.post(other)) == "422 idempotency-key-reuse /choice_id"
    swapped = {**body, "choices": {"pixel": "refused", "matomo": "given"}}
    assert (await browser.post(swapped)).status_code == 200


async def test_R36_ids_of_two_visitors_do_not_meet(stage: Stage) -> None:
    one, other = stage.browser(), stage.browser()
    body = await one.body({"matomo": "given"})

    assert [(await browser.post(body)).status_code for browser in (one, other)] == [201, 201]
    assert await stage.said() == ["matomo grant", "matomo grant"]


@pytest.mark.parametrize("processes", [1, 2], ids=["one process", "two processes"])
async def test_R36_double_clicks_are_one_choice(stage: Stage, processes: int) -> None:
    """Ten new visitors, each of whom clicks eight times at the same moment."""
    async with stage.another_process() as second:
        clients = [stage.api.client, second]
        browsers = [stage.browser() for _ in range(10)]
        bodies = [await browser.body(ALL) for browser in browsers]
        answers = await asyncio.gather(
            *(
                sent(on(browser, clients[click % processes]), body)
                for browser, body in zip(browsers, bodies, strict=True)
                for click in range(8)
            )
        )

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(200)) == (10, 70)
    assert sorted(await stage.said()) == sorted(ONE_EACH * 10)
    assert len(await stage.fetch("select from subjects")) == 10
    assert len(await stage.fetch("select from choices")) == 10


@pytest.mark.parametrize("processes", [1, 2], ids=["one process", "two processes"])
async def test_R8_tabs_that_say_the_same_are_one_record_each(stage: Stage, processes: int) -> None:
    """Each tab makes a choice of its own; the second says nothing new."""
    async with stage.another_process() as second:
        clients = [stage.api.client, second]
        browser = stage.browser()
        body = await browser.body(ALL)
        answers = await asyncio.gather(
            *(
                sent(on(browser, clients[tab % processes]), {**body, "choice_id": random_id()})
                for tab in range(8)
            )
        )

    assert {answer.status_code for answer in answers} == {201}
    assert sorted(await stage.said()) == ONE_EACH
    assert len(await stage.fetch("select from subjects")) == 1
    assert len(await stage.fetch("select from choices")) == 8


async def test_R8_tabs_that_say_the_opposite_are_both_recorded_and_the_last_stands(stage: Stage) -> None:
    browser = stage.browser()
    yes, no = await browser.body({"matomo": "given"}), await browser.body({"matomo": "refused"})
    await asyncio.gather(browser.post(yes), browser.post(no))
    said = await stage.said()

    assert set(said) == {"matomo grant", "matomo refuse"}
    expected = {"matomo grant": "given: yes (given)", "matomo refuse": "withdrawn: no (withdrawn)"}[said[-1]]
    assert await browser.stands("matomo") == expected


async def test_R23_one_choice_is_one_transaction_in_the_order_said(stage: Stage) -> None:
    browser = stage.browser()
    await browser.chooses(dict(reversed(ALL.items())))
    kept = await stage.records()

    assert [one["sequence"] for one in kept] == [1, 2, 3]
    assert [one["purpose"] for one in kept] == ["security", "pixel", "matomo"]
    transactions = await stage.fetch(
        "select xmin::text from records union select xmin::text from choices union select xmin::text from states"
    )
    assert len(transactions) == 1


async def test_R21_the_chains_of_visitors_can_be_verified(stage: Stage) -> None:
    """With what only a browser's records have: a choice's id, and the screen."""
    for browser in (stage.browser(), stage.browser()):
        await browser.chooses(ALL, button="save")
        await browser.chooses({"matomo": "withdrawn"}, screen_hash="ab" * 32)

    assert len(await stage.records()) == 8
    assert await faults_of(stage.database, keyring=KEYRING) == []


async def test_the_events_to_publish_are_those_of_the_records(stage: Stage) -> None:
    browser = stage.browser()
    body = await browser.body(ALL)
    for _ in range(2):
        await browser.post(body)
    staged = await stage.fetch("select sequence from outbox where kind = 'record' order by position")

    assert [one["sequence"] for one in staged] == [1, 2, 3]


async def sent(browser: Browser, body: dict[str, Any]) -> httpx.Response:
    """As a client does it that was told to come again (503): a person at whom much happens at once may be busy."""
    for _ in range(50):
        answer = await browser.post(body)
        if answer.status_code != 503:
            break
    return answer


def on(browser: Browser, client: httpx.AsyncClient) -> Browser:
    """The same visitor, whose request another process gets."""
    other = Browser(client)
    other.headers = browser.headers
    return other
