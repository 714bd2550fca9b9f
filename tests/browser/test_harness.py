"""What the other tests in a browser rest on: a page can choose by itself, and a stand-in tag server counts."""

from __future__ import annotations

from playwright.async_api import Page

from tests.browser.conftest import NewContext
from tests.browser.stage import Stage
from tests.http.sites import random_id

CHOOSE = """
async ([endpoint, visitor, choices]) => {
  const notice = await (await fetch(`${endpoint}/notice?lang=en`)).json();
  const answer = await fetch(`${endpoint}/consents`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Consent-Visitor': visitor },
    body: JSON.stringify({
      choice_id: visitor + '-choice', language: 'en', layer: 'banner', screen_hash: notice.screen_hash, choices,
    }),
  });
  return answer.status;
}
"""


async def test_what_a_page_chose_by_fetch_is_what_ledger_and_events_say(stage: Stage, page: Page) -> None:
    visitor = random_id("visitor")
    await page.goto(stage.web.page("/", "<!doctype html><title>A page</title>"))

    answered = await page.evaluate(CHOOSE, [stage.endpoint, visitor, {"matomo": "given", "pixel": "refused"}])

    assert answered == 201
    await stage.agrees(visitor, "matomo grant", "pixel refuse")


async def test_a_page_of_another_origin_cannot_choose(stage: Stage, page: Page) -> None:
    visitor = random_id("visitor")
    await page.goto(stage.tags.page("/", "<!doctype html><title>Another's page</title>"))

    refused = await page.evaluate(
        "(given) => (" + CHOOSE + ")(given).catch(error => String(error))",
        [stage.endpoint, visitor, {"matomo": "given"}],
    )

    assert refused == "TypeError: Failed to fetch"
    assert await stage.records(visitor) == []


async def test_a_tag_is_counted_when_it_is_fetched_and_when_it_runs(stage: Stage, page: Page) -> None:
    stage.tags.forget()
    await page.goto(stage.web.page("/", "<!doctype html><title>A page</title>"))
    assert stage.tags.asked == {}

    await page.add_script_tag(url=f"{stage.tags.origin}/pixel.js?id=1")
    await stage.tags.was_asked("/pixel.hit")

    assert stage.tags.asked == {"/pixel.js": 1, "/pixel.hit": 1}
    assert stage.tags.requests[0] == "/pixel.js?id=1"


async def test_two_contexts_share_nothing(stage: Stage, new_context: NewContext) -> None:
    address = stage.web.page("/", "<!doctype html><title>A page</title>")
    kept = []
    for _ in range(2):
        tab = await (await new_context()).new_page()
        await tab.goto(address)
        kept.append(await tab.evaluate("[document.cookie, localStorage.length]"))
        await tab.evaluate("document.cookie = 'a=b'; localStorage.setItem('a', 'b')")

    assert kept == [["", 0], ["", 0]]
