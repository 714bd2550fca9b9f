"""A site that keeps its banner library: it shows the notice, and what is clicked in it stands in the ledger (R40)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.libraries import COOKIECONSENT, KLARO
from tests.browser.library_site import Library, LibraryPage
from tests.browser.stage import Stage

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=[KLARO, COOKIECONSENT], ids=["klaro", "cookieconsent"])
def site(stage: Stage, page: Page, request: pytest.FixtureRequest) -> LibraryPage:
    library: Library = request.param
    return LibraryPage(stage, page, library)


async def test_the_banner_shows_the_notice(site: LibraryPage) -> None:
    await site.visit()
    notice: Any = await site.page.evaluate("consent.notice()")

    await expect(site.banner).to_contain_text(notice["texts"]["introduction"])
    for button, name in ((site.library.accept, "accept_all"), (site.library.refuse, "refuse_all")):
        await expect(site.page.locator(button)).to_have_text(notice["texts"][name])
    await site.open_settings()
    for purpose in notice["purposes"]:
        if purpose["choices"][:1] == ["given"]:
            await expect(site.settings).to_contain_text(purpose["notice"]["name"])
            await expect(site.settings).to_contain_text(purpose["notice"]["description"])


async def test_some_accepted_and_some_refused(site: LibraryPage) -> None:
    await site.visit()
    await expect(site.banner).to_be_visible()
    assert await site.asked() == set()
    await site.page.click(site.library.show)
    await site.switch("matomo", on=True)

    posted = await site.told(site.library.save)

    assert (posted["layer"], posted["button"]) == ("settings", "save")
    assert posted["choices"] == {"matomo": "given", "pixel": "refused", "profile": "refused"}
    await site.tags.was_asked("/matomo.hit")
    assert await site.asked() == {"/matomo.js", "/matomo.hit"}
    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel refuse", "profile refuse")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("accept_all", dict.fromkeys(("matomo", "pixel", "profile"), "given")),
        ("refuse_all", dict.fromkeys(("matomo", "pixel", "profile", "security", "ads"), "refused")),
    ],
)
async def test_all_accepted_or_all_refused(site: LibraryPage, name: str, said: dict[str, str]) -> None:
    """What is required says nothing; to interests a refusal is an objection."""
    await site.visit()

    posted = await site.told(site.library.accept if name == "accept_all" else site.library.refuse)

    assert (posted["layer"], posted["button"], posted["choices"]) == ("banner", name, said)
    notice: Any = await site.page.evaluate("consent.notice()")
    assert posted["screen_hash"] == notice["screen_hash"]


async def test_on_the_next_page_it_asks_nothing_and_runs_what_was_accepted(site: LibraryPage) -> None:
    await site.visit()
    await site.told(site.library.accept)
    site.tags.forget()

    await site.visit("/next")

    await site.tags.was_asked("/pixel.hit")
    await expect(site.banner).not_to_be_visible()
    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel grant", "profile grant")


async def test_a_change_of_mind_is_a_withdrawal_and_stops_the_tag(site: LibraryPage) -> None:
    await site.visit()
    await site.told(site.library.accept)
    await site.open_settings()
    await site.switch("matomo", on=False)

    posted = await site.told(site.library.save)

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
    await site.told(site.library.accept)
    await site.open_settings()

    await site.page.click(site.library.save)
    await expect(site.settings).not_to_be_visible()

    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel grant", "profile grant")


async def test_what_was_withdrawn_elsewhere_is_withdrawn_in_the_library(site: LibraryPage) -> None:
    """The library's own cookie still says yes; what it runs follows the ledger."""
    await site.visit()
    await site.told(site.library.accept)
    await site.stage.withdraw_by_telephone(await site.visitor(), "matomo")
    await site.visit("/next")
    await site.page.wait_for_function(site.library.denied.format(purpose="matomo"))
    site.tags.forget()

    await site.visit("/after")
    await site.tags.was_asked("/pixel.hit")

    assert await site.asked() == {"/pixel.js", "/pixel.hit"}
    assert len(await site.stage.said(await site.visitor())) == 4


async def test_what_has_changed_is_asked_again(site: LibraryPage) -> None:
    await site.visit()
    await site.told(site.library.accept)
    await site.revoke("pixel")

    # The page that learns of it asks, and so does the next.
    await site.visit("/next")
    await expect(site.banner).to_be_visible()
    site.tags.forget()
    await site.visit("/after")
    await expect(site.banner).to_be_visible()

    assert await site.asked() == set()
    await site.told(site.library.accept)
    assert (await site.stage.said(await site.visitor()))[-1] == "pixel grant"
