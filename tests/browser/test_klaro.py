"""What is klaro's alone; what it shares with others is in test_libraries.py."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from tests.browser.libraries import KLARO
from tests.browser.library_site import LibraryPage, documented
from tests.browser.stage import Stage

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def site(stage: Stage, page: Page) -> LibraryPage:
    return LibraryPage(stage, page, KLARO)


async def test_it_has_a_text_for_everything_that_it_shows(site: LibraryPage) -> None:
    await site.visit()
    await site.open_settings()

    assert "translation missing" not in await site.page.locator("#klaro").inner_text()


async def test_the_librarys_own_memory_alone_lets_nothing_run(site: LibraryPage) -> None:
    """A cookie of before it was connected, or of somebody who was erased since."""
    services = ("matomo", "pixel", "security", "ads", "profile", "orders")
    cookie = quote(json.dumps(dict.fromkeys(services, True)))
    await site.page.context.add_cookies([{"name": "klaro", "value": cookie, "url": site.stage.web.origin}])

    await site.visit()

    await expect(site.banner).to_be_visible()
    assert await site.asked() == set()


async def test_a_site_keeps_the_services_it_has(stage: Stage, page: Page) -> None:
    """What is required says nothing, whatever it is called."""
    config = "services: [{name: 'session', required: true, purposes: ['shop']}, {name: 'matomo', purposes: ['statistics']}]"
    site = LibraryPage(stage, page, KLARO, config=config)
    await site.visit()

    posted = await site.told(site.library.accept)

    assert posted["choices"] == {"matomo": "given"}
    await site.tags.was_asked("/matomo.hit")
    assert await site.asked() == {"/matomo.js", "/matomo.hit"}


async def test_the_documents_code_does_it(stage: Stage, page: Page) -> None:
    script = documented("klaro", stage.endpoint) + "window.consent = consent;"
    site = LibraryPage(stage, page, replace(KLARO, script=script))
    await site.visit()
    assert await site.asked() == set()

    posted = await site.told(site.library.accept)

    assert posted["choices"] == {"matomo": "given", "pixel": "given", "profile": "given"}
    await site.tags.was_asked("/matomo.hit")
