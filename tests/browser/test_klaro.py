"""A site that keeps klaro: it shows the notice, and what is clicked in it stands in the ledger (R40)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from tests.browser.library_site import LibraryPage, documented
from tests.browser.stage import Stage

pytestmark = pytest.mark.timeout(180)

HEAD = """<link rel="stylesheet" href="/npm/klaro/dist/klaro.min.css">
<script src="/npm/klaro/dist/klaro-no-css.js"></script>"""
TAGS = """
<script type="text/plain" data-type="text/javascript" data-name="matomo" data-src="{tags}/matomo.js"></script>
<script type="text/plain" data-type="text/javascript" data-name="pixel" data-src="{tags}/pixel.js"></script>
"""
SCRIPT = """
import { createConsent } from '/web/core/index.js';
const consent = (window.consent = createConsent({ endpoint: 'ENDPOINT' }));
import { runKlaro } from '/web/adapters/klaro.js';
await runKlaro(consent, klaro, {CONFIG});
"""
BANNER, SETTINGS = "#klaro .cookie-notice", "#klaro .cm-modal"
ACCEPT, REFUSE = f"{BANNER} .cm-btn-success", f"{BANNER} .cn-decline"
SAVE = f"{SETTINGS} .cm-btn-accept"


def library(stage: Stage, page: Page, config: str = "") -> LibraryPage:
    return LibraryPage(stage, page, head=HEAD, tags=TAGS, script=SCRIPT.replace("CONFIG", config))


@pytest.fixture
def site(stage: Stage, page: Page) -> LibraryPage:
    return library(stage, page)


async def open_settings(site: LibraryPage) -> None:
    await site.page.evaluate("consent.openSettings()")
    await expect(site.page.locator(SETTINGS)).to_be_visible()


async def switch(site: LibraryPage, purpose: str, *, on: bool) -> None:
    await site.switch(f"{SETTINGS} #service-item-{purpose}", on=on)


async def test_the_banner_shows_the_notice(site: LibraryPage) -> None:
    await site.visit()
    notice: Any = await site.page.evaluate("consent.notice()")

    await expect(site.page.locator(BANNER)).to_contain_text(notice["texts"]["introduction"])
    await expect(site.page.locator(ACCEPT)).to_have_text(notice["texts"]["accept_all"])
    await expect(site.page.locator(REFUSE)).to_have_text(notice["texts"]["refuse_all"])
    await open_settings(site)
    shown = site.page.locator(SETTINGS)
    for purpose in notice["purposes"]:
        if purpose["choices"][:1] == ["given"]:
            await expect(shown).to_contain_text(purpose["notice"]["name"])
            await expect(shown).to_contain_text(purpose["notice"]["description"])
    assert "translation missing" not in await site.page.locator("#klaro").inner_text()


async def test_some_accepted_and_some_refused(site: LibraryPage) -> None:
    await site.visit()
    await expect(site.page.locator(BANNER)).to_be_visible()
    assert await site.asked() == set()
    await site.page.click(f"{BANNER} .cn-learn-more")
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
    await expect(site.page.locator(SETTINGS)).to_have_count(0)

    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel grant", "profile grant")


async def test_what_was_withdrawn_elsewhere_is_withdrawn_in_the_library(site: LibraryPage) -> None:
    """The library's own cookie still says yes; what it runs follows the ledger."""
    await site.visit()
    await site.told(ACCEPT)
    await site.stage.withdraw_by_telephone(await site.visitor(), "matomo")
    await site.visit("/next")
    await site.page.wait_for_function("!klaro.getManager({}).getConsent('matomo')")
    site.tags.forget()

    await site.visit("/after")
    await site.tags.was_asked("/pixel.hit")

    assert await site.asked() == {"/pixel.js", "/pixel.hit"}
    assert len(await site.stage.said(await site.visitor())) == 4


async def test_the_librarys_own_memory_alone_lets_nothing_run(site: LibraryPage) -> None:
    """A cookie of before it was connected, or of somebody who was erased since."""
    services = ("matomo", "pixel", "security", "ads", "profile", "orders")
    cookie = quote(json.dumps(dict.fromkeys(services, True)))
    await site.page.context.add_cookies([{"name": "klaro", "value": cookie, "url": site.stage.web.origin}])

    await site.visit()

    await expect(site.page.locator(BANNER)).to_be_visible()
    assert await site.asked() == set()


async def test_what_has_changed_is_asked_again(site: LibraryPage) -> None:
    await site.visit()
    await site.told(ACCEPT)
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
    assert (await site.stage.said(await site.visitor()))[-1] == "pixel grant"


async def test_a_site_keeps_the_services_it_has(stage: Stage, page: Page) -> None:
    """What is required says nothing, whatever it is called."""
    config = "services: [{name: 'session', required: true, purposes: ['shop']}, {name: 'matomo', purposes: ['statistics']}]"
    site = library(stage, page, config)
    await site.visit()

    posted = await site.told(ACCEPT)

    assert posted["choices"] == {"matomo": "given"}
    await site.tags.was_asked("/matomo.hit")
    assert await site.asked() == {"/matomo.js", "/matomo.hit"}


async def test_the_documents_code_does_it(stage: Stage, page: Page) -> None:
    script = documented("klaro", stage.endpoint) + "window.consent = consent;"
    site = LibraryPage(stage, page, head=HEAD, tags=TAGS, script=script)
    await site.visit()
    assert await site.asked() == set()

    posted = await site.told(ACCEPT)

    assert posted["choices"] == {"matomo": "given", "pixel": "given", "profile": "given"}
    await site.tags.was_asked("/matomo.hit")
