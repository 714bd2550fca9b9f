"""Where things go wrong for a browser: no network, no storage, two tabs, a page out of the back/forward cache."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Request, Route, async_playwright, expect

from tests.browser.conftest import PATIENCE_MS, NewContext
from tests.browser.stage import Stage
from tests.browser.tagged_site import OF_MATOMO, OF_PIXEL, OF_PROFILE, TaggedPage
from tests.chromium import ARGUMENTS, MISSING, find_chromium

CHOICES = "**/site/v1/*/consents"
EVERYTHING = OF_MATOMO | OF_PIXEL | OF_PROFILE
ACCEPTED = ("matomo grant", "pixel grant", "profile grant")


@pytest.fixture
def site(stage: Stage, page: Page) -> TaggedPage:
    return TaggedPage(stage, page)


def posted(context: BrowserContext) -> list[str]:
    """The ids of the choices that the browser sends from now on."""
    ids: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/consents"):
            ids.append(json.loads(request.post_data or "")["choice_id"])

    context.on("request", note)
    return ids


async def waiting(page: Page) -> list[Any]:
    """What the browser has to tell still."""
    found: list[Any] = await page.evaluate("JSON.parse(localStorage['consent:ansettr-web:waiting'] ?? '[]')")
    return found


async def test_a_choice_made_offline_is_told_once_the_network_is_back(site: TaggedPage) -> None:
    await site.visit()
    await expect(site.banner).to_be_visible()
    await site.page.context.set_offline(True)
    await site.button(site.banner, "accept_all").click()
    await expect(site.banner).to_have_count(0)
    assert "matomo" in await site.allowed()
    visitor = await site.visitor()
    assert await site.stage.records(visitor) == []
    [kept] = await waiting(site.page)
    ids = posted(site.page.context)

    await site.page.context.set_offline(False)
    await site.all_told()

    assert set(ids) == {kept["body"]["choice_id"]}
    await site.stage.agrees(visitor, *ACCEPTED)


async def test_what_was_chosen_while_the_service_was_away_is_told_by_the_next_page(site: TaggedPage) -> None:
    await site.visit()
    await expect(site.banner).to_be_visible()
    await site.page.route(CHOICES, _away)
    async with site.page.expect_event("requestfailed"):
        await site.button(site.banner, "accept_all").click()
    await site.ran(*EVERYTHING)
    visitor = await site.visitor()
    [kept] = await waiting(site.page)
    await site.page.unroute(CHOICES)
    ids = posted(site.page.context)

    await site.visit(path="/next")
    await site.all_told()

    assert ids == [kept["body"]["choice_id"]]
    await site.stage.agrees(visitor, *ACCEPTED)


async def test_a_choice_whose_answer_was_lost_leads_to_one_record_each(site: TaggedPage) -> None:
    await site.visit()
    ids = posted(site.page.context)
    await site.page.route(CHOICES, _lose_the_answer)
    async with site.page.expect_event("requestfailed"):
        await site.button(site.banner, "accept_all").click()
    await site.page.unroute(CHOICES)

    await site.visit(path="/next")
    await site.all_told()

    assert len(ids) == 2
    assert len(set(ids)) == 1
    await site.stage.agrees(await site.visitor(), *ACCEPTED)


async def test_on_a_slow_network_nothing_runs_before_the_answer_and_the_next_page_waits_for_none(
    site: TaggedPage,
) -> None:
    """The service's answers are held back for as long as a page is looked at."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        asked.set()
        await answered.wait()
        await route.continue_()

    await site.page.route("**/site/v1/**", slowly)
    await site.visit()
    await asked.wait()
    await site.page.evaluate("url => fetch(url, {mode: 'no-cors'})", site.tags.origin + "/after")
    assert set(site.tags.asked) == {"/after"}
    answered.set()
    await site.button(site.banner, "accept_all").click()
    await site.ran(*EVERYTHING)
    await site.all_told()

    answered.clear()
    site.tags.forget()
    await site.visit(path="/next")
    await site.ran(*EVERYTHING)

    assert not answered.is_set()
    answered.set()
    await site.stage.agrees(await site.visitor(), *ACCEPTED)


async def test_a_double_click_is_one_choice(site: TaggedPage) -> None:
    await site.visit()
    ids = posted(site.page.context)
    await site.page.evaluate(
        """() => {
          const click = () => consent.choose({layer: 'banner', button: 'accept_all', choices: {matomo: 'given'}});
          return consent.notice().then(() => Promise.all([click(), click()]));
        }"""
    )

    assert len(ids) == 1
    await site.stage.agrees(await site.visitor(), "matomo grant")


async def test_a_withdrawal_in_one_tab_stops_the_tags_of_the_other_and_is_told_once(
    site: TaggedPage, stage: Stage
) -> None:
    await site.visit()
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    await site.ran(*EVERYTHING)
    other = TaggedPage(stage, await site.page.context.new_page())
    await other.visit(path="/other")
    await other.ran(*EVERYTHING)
    ids = posted(site.page.context)

    async with site.page.expect_event("load"), other.page.expect_event("load"):
        await other.choose(matomo=False, pixel=False)
    await site.stops("matomo")
    await site.all_told()

    assert await site.page.locator("img[src]").count() == 0
    assert len(set(ids)) == 1
    await stage.agrees(await site.visitor(), *ACCEPTED, "matomo withdraw", "pixel withdraw")


async def test_a_choice_in_one_tab_takes_the_banner_of_the_other_away(site: TaggedPage, stage: Stage) -> None:
    await site.visit()
    await expect(site.banner).to_be_visible()
    other = TaggedPage(stage, await site.page.context.new_page())
    await other.visit(path="/other")

    await other.button(other.banner, "accept_all").click()

    await expect(site.banner).to_have_count(0)
    await site.page.wait_for_function("() => consent.allows('matomo')")


async def test_two_tabs_that_wait_tell_the_same_choice(site: TaggedPage, stage: Stage) -> None:
    """They take turns, and what one has told the other finds told; sent twice all the same, it is the same choice."""
    await site.visit()
    await site.page.context.route(CHOICES, _away)
    ids = posted(site.page.context)
    async with site.page.expect_event("requestfailed"):
        await site.button(site.banner, "accept_all").click()
    other = TaggedPage(stage, await site.page.context.new_page())
    await other.visit(path="/other")
    await site.page.context.unroute(CHOICES)

    for tab in (site.page, other.page):
        await tab.evaluate("dispatchEvent(new Event('online'))")
    await site.all_told()

    assert len(set(ids)) == 1
    await stage.agrees(await site.visitor(), *ACCEPTED)


BLOCKED = """
Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked', 'SecurityError'); }});
"""


async def test_with_cookies_and_storage_blocked_a_choice_holds_on_its_page_alone(
    stage: Stage, new_context: NewContext
) -> None:
    context = await new_context()
    await context.add_init_script(BLOCKED)
    tab = await context.new_page()
    session = await context.new_cdp_session(tab)
    await session.send("Emulation.setDocumentCookieDisabled", {"disabled": True})
    site = TaggedPage(stage, tab)
    await site.visit()
    assert await tab.evaluate("document.cookie = 'a=b', document.cookie") == ""

    await site.told(lambda: site.button(site.banner, "accept_all").click())
    await site.ran(*EVERYTHING)
    await stage.agrees(await site.visitor(), *ACCEPTED)
    site.tags.forget()

    await site.visit(path="/next")
    await expect(site.banner).to_be_visible()
    assert await site.asked() == set()


async def test_with_cookies_blocked_alone_the_browser_remembers_all_the_same(
    stage: Stage, new_context: NewContext
) -> None:
    context = await new_context()
    tab = await context.new_page()
    session = await context.new_cdp_session(tab)
    await session.send("Emulation.setDocumentCookieDisabled", {"disabled": True})
    site = TaggedPage(stage, tab)
    await site.visit()
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    visitor = await site.visitor()

    await site.visit(path="/next")

    assert "matomo" in await site.allowed()
    assert await site.visitor() == visitor


async def test_whoever_clears_everything_is_asked_again_and_nothing_runs_before(site: TaggedPage) -> None:
    await site.visit()
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    await site.ran(*EVERYTHING)
    before = await site.visitor()
    await site.page.context.clear_cookies()
    await site.page.evaluate("localStorage.clear()")
    site.tags.forget()

    await site.visit(path="/next")

    await expect(site.banner).to_be_visible()
    assert await site.asked() == set()
    assert await site.visitor() != before


async def test_whoever_clears_storage_but_no_cookies_is_known_again(site: TaggedPage) -> None:
    await site.visit()
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    before = await site.visitor()
    await site.page.evaluate("localStorage.clear()")

    await site.visit(path="/next")

    assert "matomo" in await site.allowed()
    assert await site.visitor() == before


async def test_the_visitors_cookie_is_the_sites_own_and_no_other_site_gets_it(site: TaggedPage) -> None:
    await site.visit()
    await site.told(lambda: site.button(site.banner, "accept_all").click())

    kept = await site.page.context.cookies()

    assert [(one["name"], one["domain"], one["sameSite"]) for one in kept] == [
        ("consent_ansettr-web", "127.0.0.1", "Lax")
    ]


@pytest.fixture
async def returning() -> AsyncIterator[BrowserContext]:
    """A browser that keeps pages to go back to, which Playwright switches off otherwise."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            args=[*ARGUMENTS],
            ignore_default_args=["--disable-back-forward-cache"],
        )
        context = await browser.new_context()
        context.set_default_timeout(PATIENCE_MS)
        yield context
        await browser.close()


async def test_a_page_out_of_the_back_forward_cache_knows_what_was_withdrawn_meanwhile(
    stage: Stage, returning: BrowserContext
) -> None:
    """On the page before, and by telephone."""
    site = TaggedPage(stage, await returning.new_page())
    tags = """<img id="pixel" alt="" data-consent="pixel" data-consent-src="{tags}/pixel.gif">
    <img id="matomo" alt="" data-consent="matomo" data-consent-src="{tags}/matomo.gif">"""
    kept = {"Cache_Control": "max-age=60"}
    await site.visit(tags, **kept)
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    await expect(site.page.locator("img[src]")).to_have_count(2)
    await site.page.evaluate("addEventListener('pageshow', (event) => (window.wasKept = event.persisted))")
    await site.visit(tags, path="/next", **kept)
    await site.choose(pixel=False)
    await site.all_told()
    await stage.withdraw_by_telephone(await site.visitor(), "matomo")

    await site.page.go_back(wait_until="commit")

    await site.page.wait_for_function("() => window.wasKept === true")
    await expect(site.page.locator("img[src]")).to_have_count(0)


async def _away(route: Route) -> None:
    """As long as the service is away, it answers nothing."""
    await route.abort("connectionrefused")


async def _lose_the_answer(route: Route) -> None:
    """The service gets it, and the browser never learns that."""
    if route.request.method == "POST":
        await route.fetch()
    await route.abort("connectionreset")
