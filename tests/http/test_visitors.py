"""What visitors choose: recorded once, as it was shown, and read back (API face 2, R36 to R38, CORE 2)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from consent_service.embedded import PostgresServer
from tests.http.conftest import Api
from tests.http.sites import Browser, records, running_sites


@pytest.fixture
async def api(postgres: PostgresServer) -> AsyncIterator[Api]:
    async with running_sites(postgres) as (running, _):
        yield running


@pytest.fixture
def browser(api: Api) -> Browser:
    return Browser(api.client)


async def test_a_choice_is_recorded_and_read_back(api: Api, browser: Browser) -> None:
    notice = await browser.notice()
    answer = await browser.chooses({"matomo": "given", "pixel": "refused"}, button="save")

    assert answer.status_code == 201, answer.text
    assert answer.json()["ask_again"] == []
    assert await browser.stands("matomo") == "given: yes (given)"
    assert await browser.stands("pixel") == "refused: no (refused)"
    kept = await records(api.database)
    assert [(one["purpose"], one["command"]) for one in kept] == [("matomo", "grant"), ("pixel", "refuse")]
    assert {one["screen_hash"] for one in kept} == {notice["screen_hash"]}
