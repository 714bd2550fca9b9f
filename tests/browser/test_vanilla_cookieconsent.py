"""A site that keeps vanilla-cookieconsent: it shows the notice, and what is clicked in it stands in the ledger (R40)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.library_site import LibraryPage, documented
from tests.browser.stage import Stage

pytestmark = pytest.mark.timeout(180)

HEAD = '<link rel="stylesheet" href="/npm/vanilla-cookieconsent/dist/cookieconsent.css">'
TAGS = """
<script type="text/plain" data-category="matomo" src="{tags}/matomo.js"></script>
<script type="text/plain" data-category="pixel" src="{tags}/pixel.js"></script>
"""
#: Without `hideFromBots` the library shows nothing to a browser that is driven.
SCRIPT = """
import { createConsent } from '/web/core/index.js';
const consent = (window.consent = createConsent({ endpoint: 'ENDPOINT' }));
import * as CookieConsent from '/npm/vanilla-cookieconsent/dist/cookieconsent.esm.js';
import { runCookieConsent } from '/web/adapters/vanilla-cookieconsent.js';
window.CookieConsent = CookieConsent;
await runCookieConsent(consent, CookieConsent, {hideFromBots: false CONFIG} OPTIONS);
"""
BANNER, SETTINGS = "#cc-main .cm", "#cc-main .pm"
ACCEPT, REFUSE = f"{BANNER} [data-role=all]", f"{BANNER} [data-role=necessary]"
SAVE = f"{SETTINGS} [data-role=save]"


def library(stage: Stage, page: Page, tags: str = TAGS, config: str = "", options: str = "") -> LibraryPage:
    script = SCRIPT.replace("CONFIG", config).replace("OPTIONS", options)
    return LibraryPage(stage, page, head=HEAD, tags=tags, script=script)


@pytest.fixture
def site(stage: Stage, page: Page) -> LibraryPage:
    return library(stage, page)


async def open_settings(site: LibraryPage) -> None:
    await site.page.evaluate("consent.openSettings()")
    await expect(site.page.locator(SETTINGS)).to_be_visible()


async def switch(site: LibraryPage, purpose: str, *, on: bool) -> None:
    await site.switch(f"{SETTINGS} input[value='{purpose}']", on=on)


async def test_the_banner_shows_the_notice(site: LibraryPage) -> None:
    await site.visit()
    notice: Any = await site.page.evaluate("consent.notice()")
    banner = site.page.locator(BANNER)

    await expect(banner).to_contain_text(notice["texts"]["introduction"])
    await expect(site.page.locator(ACCEPT)).to_have_text(notice["texts"]["accept_all"])
    await expect(site.page.locator(REFUSE)).to_have_text(notice["texts"]["refuse_all"])
    await open_settings(site)
    for purpose in notice["purposes"]:
        await expect(site.page.locator(SETTINGS)).to_contain_text(purpose["notice"]["description"])


async def test_some_accepted_and_some_refused(site: LibraryPage) -> None:
    await site.visit()
    await expect(site.page.locator(BANNER)).to_be_visible()
    assert await site.asked() == set()
    await site.page.click(f"{BANNER} [data-role=show]")
    await switch(site, "matomo", on=True)

    posted = await site.told(SAVE)

    assert (posted["layer"], posted["button"]) == ("settings", "save")
    assert posted["choices"] == {"matomo": "given", "pixel": "refused", "profile": "refused"}
    await site.tags.was_asked("/matomo.hit")
    assert await site.asked() == {"/matomo.js", "/matomo.hit"}
    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel refuse", "profile refuse")


@pytest.mark.parametrize(
    ("button", "name", "said"),
    [
        (ACCEPT, "accept_all", {"matomo": "given", "pixel": "given", "profile": "given"}),
        (
            REFUSE,
            "refuse_all",
            {
                "matomo": "refused",
                "pixel": "refused",
                "profile": "refused",
                "security": "refused",
                "ads": "refused",
            },
        ),
    ],
)
async def test_all_accepted_or_all_refused(
    site: LibraryPage, button: str, name: str, said: dict[str, str]
) -> None:
    """What is required says nothing; to interests a refusal is an objection."""
    await site.visit()

    posted = await site.told(button)

    assert (posted["layer"], posted["button"], posted["choices"]) == ("banner", name, said)
    notice: Any = await site.page.evaluate("consent.notice()")
    assert posted["screen_hash"] == notice["screen_hash"]


async def test_on_the_next_page_it_asks_nothing_and_runs_what_was_accepted(site: LibraryPage) -> None:
    await site.visit()
    await site.told(ACCEPT)
    site.tags.forget()

    await site.visit("/next")

    await site.tags.was_asked("/pixel.hit")
    await expect(site.page.locator(BANNER)).to_have_count(0)
    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel grant", "profile grant")


async def test_a_change_of_mind_is_a_withdrawal_and_stops_the_tag(site: LibraryPage) -> None:
    await site.visit()
    await site.told(ACCEPT)
    await open_settings(site)
    await switch(site, "matomo", on=False)

    posted = await site.told(SAVE)

    assert posted["choices"] == {"matomo": "withdrawn"}
    site.tags.forget()
    await site.visit("/next")
    await site.tags.was_asked("/pixel.hit")
    assert await site.asked() == {"/pixel.js", "/pixel.hit"}
    await site.stage.agrees(
        await site.visitor(), "matomo grant", "pixel grant", "profile grant", "matomo withdraw"
    )


async def test_saving_the_same_again_says_nothing(site: LibraryPage) -> None:
    await site.visit()
    await site.told(ACCEPT)
    await open_settings(site)

    await site.page.click(SAVE)
    await expect(site.page.locator(SETTINGS)).not_to_be_visible()

    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel grant", "profile grant")


async def test_what_was_withdrawn_elsewhere_is_withdrawn_in_the_library(site: LibraryPage) -> None:
    """The library's own cookie still says yes; what it runs follows the ledger."""
    await site.visit()
    await site.told(ACCEPT)
    await site.stage.withdraw_by_telephone(await site.visitor(), "matomo")
    await site.visit("/next")
    await site.page.wait_for_function("!CookieConsent.acceptedCategory('matomo')")
    site.tags.forget()

    await site.visit("/after")
    await site.tags.was_asked("/pixel.hit")

    assert await site.asked() == {"/pixel.js", "/pixel.hit"}
    assert len(await site.stage.said(await site.visitor())) == 4


async def test_whoever_is_known_from_elsewhere_is_not_asked(site: LibraryPage) -> None:
    """The library's cookie is gone, and the ledger knows."""
    await site.visit()
    await site.told(ACCEPT)
    await site.page.context.clear_cookies(name="cc_cookie")
    site.tags.forget()

    await site.visit("/next")

    await site.tags.was_asked("/pixel.hit")
    await expect(site.page.locator(BANNER)).not_to_be_visible()
    assert len(await site.stage.said(await site.visitor())) == 3


async def test_what_has_changed_is_asked_again_with_a_raised_revision(site: LibraryPage) -> None:
    await site.visit()
    await site.told(ACCEPT)
    before = await site.page.evaluate("CookieConsent.getCookie('revision')")
    subject_id = (await site.stage.records(await site.visitor()))[0]["subject_id"]
    async with site.stage.service.client("ansettr") as client:
        answer = await client.post(
            f"/v1/subjects/{subject_id}/consents/pixel/revoke", json={"channel": "api", "source": "test"}
        )
    assert answer.status_code == 201, answer.text

    # The page that learns of it asks, and so does the next.
    await site.visit("/next")
    await expect(site.page.locator(BANNER)).to_be_visible()
    site.tags.forget()
    await site.visit("/after")
    await expect(site.page.locator(BANNER)).to_be_visible()

    assert await site.asked() == set()
    await site.told(ACCEPT)
    assert await site.page.evaluate("CookieConsent.getCookie('revision')") == before + 1
    assert (await site.stage.said(await site.visitor()))[-1] == "pixel grant"


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
    site = library(
        stage, page, tags, categories, ", {purposes: {statistics: ['matomo'], necessary: ['orders']}}"
    )
    await site.visit()
    await page.click(f"{BANNER} [data-role=show]")
    await site.switch(f"{SETTINGS} input[value=pixel]", on=True)

    posted = await site.told(SAVE)

    assert posted["choices"] == {"matomo": "refused", "pixel": "given", "profile": "refused"}
    await site.tags.was_asked("/pixel.hit")
    assert await site.asked() == {"/pixel.js", "/pixel.hit"}
    await site.stage.withdraw_by_telephone(await site.visitor(), "pixel")
    await site.visit("/next")
    await page.wait_for_function("!CookieConsent.acceptedService('pixel', 'marketing')")
    await site.stage.agrees(
        await site.visitor(), "matomo refuse", "pixel grant", "profile refuse", "pixel withdraw"
    )


async def test_the_documents_code_does_it(stage: Stage, page: Page) -> None:
    """As it stands there, but that the library shows itself to a browser that is driven."""
    await page.add_init_script("Object.defineProperty(navigator, 'webdriver', {value: false})")
    script = documented("vanilla-cookieconsent", stage.endpoint) + "window.consent = consent;"
    site = LibraryPage(stage, page, head=HEAD, tags=TAGS, script=script)
    await site.visit()
    assert await site.asked() == set()

    posted = await site.told(ACCEPT)

    assert posted["choices"] == {"matomo": "given", "pixel": "given", "profile": "given"}
    await site.tags.was_asked("/matomo.hit")
