"""What is vanilla-cookieconsent's alone; what it shares with others is in test_libraries.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.libraries import COOKIECONSENT
from tests.browser.library_site import LibraryPage, documented
from tests.browser.stage import Stage

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def site(stage: Stage, page: Page) -> LibraryPage:
    return LibraryPage(stage, page, COOKIECONSENT)


async def test_its_settings_describe_purposes_without_a_switch_too(site: LibraryPage) -> None:
    await site.visit()
    notice: Any = await site.page.evaluate("consent.notice()")
    await site.open_settings()

    for purpose in notice["purposes"]:
        await expect(site.settings).to_contain_text(purpose["notice"]["description"])


async def test_whoever_is_known_from_elsewhere_is_not_asked(site: LibraryPage) -> None:
    """The library's cookie is gone, and the ledger knows."""
    await site.visit()
    await site.told(site.library.accept)
    await site.page.context.clear_cookies(name="cc_cookie")
    site.tags.forget()

    await site.visit("/next")

    await site.tags.was_asked("/pixel.hit")
    await expect(site.banner).not_to_be_visible()
    assert len(await site.stage.said(await site.visitor())) == 3


async def test_what_has_changed_raises_its_revision(site: LibraryPage) -> None:
    await site.visit()
    await site.told(site.library.accept)
    before = await site.page.evaluate("CookieConsent.getCookie('revision')")
    await site.revoke("pixel")

    await site.visit("/next")
    await site.told(site.library.accept)

    assert await site.page.evaluate("CookieConsent.getCookie('revision')") == before + 1


async def test_a_category_stands_for_its_purposes_and_a_service_for_one(stage: Stage, page: Page) -> None:
    """A site keeps the categories it has; those that are required say nothing."""
    categories = """, categories: {
      necessary: {readOnly: true, enabled: true},
      marketing: {services: {pixel: {}, profile: {}}},
      statistics: {},
    }"""
    tags = """
    <script type="text/plain" data-category="statistics" src="{tags}/matomo.js"></script>
    <script type="text/plain" data-category="marketing" data-service="pixel" src="{tags}/pixel.js"></script>
    """
    purposes = ", {purposes: {statistics: ['matomo'], necessary: ['orders']}}"
    site = LibraryPage(stage, page, replace(COOKIECONSENT, tags=tags), config=categories, options=purposes)
    await site.visit()
    await page.click(site.library.show)
    await site.switch("pixel", on=True)

    posted = await site.told(site.library.save)

    assert posted["choices"] == {"matomo": "refused", "pixel": "given", "profile": "refused"}
    await site.tags.was_asked("/pixel.hit")
    assert await site.asked() == {"/pixel.js", "/pixel.hit"}
    await site.stage.withdraw_by_telephone(await site.visitor(), "pixel")
    await site.visit("/next")
    await page.wait_for_function("() => !CookieConsent.acceptedService('pixel', 'marketing')")
    await site.stage.agrees(
        await site.visitor(), "matomo refuse", "pixel grant", "profile refuse", "pixel withdraw"
    )


async def test_the_documents_code_does_it(stage: Stage, page: Page) -> None:
    """As it stands there, but that the library shows itself to a browser that is driven."""
    await page.add_init_script("Object.defineProperty(navigator, 'webdriver', {value: false})")
    script = documented("vanilla-cookieconsent", stage.endpoint) + "window.consent = consent;"
    site = LibraryPage(stage, page, replace(COOKIECONSENT, script=script))
    await site.visit()
    assert await site.asked() == set()

    posted = await site.told(site.library.accept)

    assert posted["choices"] == {"matomo": "given", "pixel": "given", "profile": "given"}
    await site.tags.was_asked("/matomo.hit")
