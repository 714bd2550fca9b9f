"""Our own banner, as visitors use it: what they click is what the ledger and Kafka say."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.browser.banner_site import SITE_OF_ALL_KINDS, BannerPage
from tests.browser.conftest import NewContext
from tests.browser.stage import Stage

pytestmark = pytest.mark.usefixtures("all_kinds")


async def test_some_accepted_and_some_refused_is_what_ledger_and_events_say(site: BannerPage) -> None:
    await site.open(path="/jobs")
    await site.button(site.banner, "settings").click()
    await expect(site.switch("matomo")).not_to_be_checked()
    await site.switch("matomo").check()

    posted = await site.told(lambda: site.button(site.settings, "save").click())

    assert posted["choices"] == {"matomo": "given", "pixel": "refused", "profile": "refused"}
    assert (posted["layer"], posted["button"], posted["language"], posted["path"]) == (
        "settings",
        "save",
        "en",
        "/jobs",
    )
    await expect(site.settings).to_have_count(0)
    await expect(site.banner).to_have_count(0)
    assert await site.allowed() == ["matomo", "security", "ads", "orders"]
    await site.stage.agrees(await site.visitor(), "matomo grant", "pixel refuse", "profile refuse")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("accept_all", ["matomo grant", "pixel grant", "profile grant"]),
        (
            "refuse_all",
            [
                "matomo refuse",
                "pixel refuse",
                "newsletter refuse",
                "security object",
                "ads object",
                "profile refuse",
            ],
        ),
    ],
)
@pytest.mark.parametrize("layer", ["banner", "settings"])
async def test_all_is_accepted_or_refused_with_one_click_on_either_layer(
    site: BannerPage, layer: str, name: str, said: list[str]
) -> None:
    await site.open()
    if layer == "settings":
        await site.button(site.banner, "settings").click()

    posted = await site.told(lambda: site.button(getattr(site, layer), name).click())

    notice = await site.page.evaluate("consent.notice()")
    hashes = {one["layer"]: one["screen_hash"] for one in notice["layers"]}
    assert (posted["layer"], posted["button"], posted["screen_hash"]) == (layer, name, hashes[layer])
    await site.stage.agrees(await site.visitor(), *said)


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_double_click_says_one_thing(site: BannerPage, width: int) -> None:
    """The settings have a button where the banner has one, and the page's control comes where the banner was."""
    await site.page.set_viewport_size({"width": width, "height": 844})
    await site.open()

    await site.button(site.banner, "settings").dblclick()
    await expect(site.settings).to_be_visible()
    await site.told(lambda: site.button(site.settings, "close").click())

    assert set(await site.stage.said(await site.visitor())) == {
        f"{one} defer" for one in ("matomo", "pixel", "newsletter", "profile")
    }


async def test_after_a_choice_the_next_page_asks_nothing_and_tells_nothing(site: BannerPage) -> None:
    await site.open()
    await site.told(lambda: site.button(site.banner, "accept_all").click())
    posts: list[str] = []
    site.page.on("request", lambda one: posts.append(one.url) if one.method == "POST" else None)

    await site.page.reload()

    await expect(site.reopen).to_be_visible()
    await expect(site.banner).to_have_count(0)
    assert "pixel" in await site.allowed()
    assert posts == []


async def test_who_changes_their_mind_withdraws_as_easily_as_they_agreed(site: BannerPage) -> None:
    await site.open()
    await site.told(lambda: site.button(site.banner, "accept_all").click())

    await site.reopen.click()
    await expect(site.switch("matomo")).to_be_checked()
    await site.switch("matomo").uncheck()
    await site.told(lambda: site.button(site.settings, "save").click())
    await site.reopen.click()
    await expect(site.switch("matomo")).not_to_be_checked()
    await site.told(lambda: site.button(site.settings, "refuse_all").click())

    said = await site.stage.said(await site.visitor())
    assert said[:4] == ["matomo grant", "pixel grant", "profile grant", "matomo withdraw"]
    assert {"pixel refuse", "profile refuse"} <= set(said[4:])
    assert "pixel" not in await site.allowed()
    assert await site.stage.told(await site.visitor())


async def test_settings_stay_open_while_the_service_answers(site: BannerPage) -> None:
    answered, waiting = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        if route.request.method == "POST":
            waiting.set()
            await answered.wait()
        await route.continue_()

    await site.page.route("**/consents", slowly)
    await site.open()
    await site.button(site.banner, "accept_all").click()
    await site.reopen.click()
    await site.switch("matomo").uncheck()
    await waiting.wait()

    async def answer() -> None:
        answered.set()

    await site.told(answer)
    await site.all_told()
    await expect(site.switch("matomo")).not_to_be_checked()
    await site.told(lambda: site.button(site.settings, "save").click())

    assert (await site.stage.said(await site.visitor()))[-1] == "matomo withdraw"


async def test_what_rests_on_interests_stands_on_and_is_objected_to_with_its_switch(site: BannerPage) -> None:
    await site.open(site=SITE_OF_ALL_KINDS)
    await site.button(site.banner, "settings").click()
    await expect(site.switch("kinds-security")).to_be_checked()
    await site.switch("kinds-security").uncheck()

    await site.told(lambda: site.button(site.settings, "save").click())

    await site.stage.agrees(
        await site.visitor(), "kinds-analytics refuse", "kinds-pixel refuse", "kinds-security object"
    )
    await site.reopen.click()
    await expect(site.switch("kinds-security")).to_have_count(0)


async def test_where_there_is_nothing_to_choose_there_is_no_switch_but_all_the_information(
    site: BannerPage,
) -> None:
    await site.open(site=SITE_OF_ALL_KINDS)
    await site.button(site.banner, "settings").click()
    orders, letter = (
        site.settings.locator(".purpose").filter(has=site.page.locator(f"#purpose-{slug}"))
        for slug in ("kinds-orders", "kinds-newsletter")
    )

    await expect(orders).to_contain_text("Always on")
    await expect(orders.get_by_role("switch")).to_have_count(0)
    await expect(letter).to_contain_text("Needs your confirmation by e-mail")
    await expect(letter.get_by_role("switch")).to_have_count(0)
    facts = site.settings.locator("details").first
    await facts.locator("summary").click()
    await expect(facts).to_contain_text("Matomo (Netherlands)")
    await expect(facts).to_contain_text("_pk_id* (Matomo, 13 months)")
    await expect(facts).to_contain_text("2 years")


@pytest.mark.parametrize("layer", ["banner", "settings"])
async def test_closing_puts_the_answer_off_and_gives_nothing(site: BannerPage, layer: str) -> None:
    await site.open()
    if layer == "settings":
        await site.button(site.banner, "settings").click()

    posted = await site.told(lambda: site.button(getattr(site, layer), "close").click())

    assert (posted["layer"], posted["button"]) == (layer, "close")
    assert set(posted["choices"].values()) == {"deferred"}
    assert await site.allowed() == ["security", "ads", "orders"]
    await site.page.reload()
    await expect(site.reopen).to_be_visible()
    await expect(site.banner).to_have_count(0)


async def test_looking_at_what_was_chosen_and_closing_says_nothing(site: BannerPage) -> None:
    await site.open()
    await site.told(lambda: site.button(site.banner, "refuse_all").click())
    before = await site.stage.said(await site.visitor())

    await site.reopen.click()
    await site.button(site.settings, "close").click()
    await expect(site.settings).to_have_count(0)

    assert await site.page.evaluate("localStorage.getItem('consent:ansettr-web:waiting')") is None
    assert await site.stage.said(await site.visitor()) == before


async def test_a_control_of_the_pages_own_opens_the_settings_and_takes_the_place_of_ours(
    site: BannerPage,
) -> None:
    await site.open(
        data='data-reopen="none"', body="<button id=own data-consent-settings><b>Cookies</b></button>"
    )
    await site.told(lambda: site.button(site.banner, "refuse_all").click())
    await expect(site.reopen).to_be_hidden()

    await site.page.locator("b").click()

    await expect(site.settings).to_be_visible()
    await site.page.keyboard.press("Escape")
    await expect(site.settings).to_have_count(0)
    assert await site.focused() == "own"


async def test_a_choice_in_one_tab_is_made_in_all(site: BannerPage) -> None:
    await site.open()
    other = BannerPage(site.stage, await site.page.context.new_page())
    await other.page.goto(site.page.url)
    await expect(other.banner).to_be_visible()

    await site.told(lambda: site.button(site.banner, "accept_all").click())

    await expect(other.banner).to_have_count(0)
    await expect(other.reopen).to_be_visible()
    assert "matomo" in await other.allowed()


async def test_without_the_service_nothing_is_shown_until_it_is_back(site: BannerPage) -> None:
    await site.page.route("**/site/v1/**", lambda route: route.abort())
    await site.open()
    await expect(site.page.locator("consent-banner")).to_have_count(1)
    await expect(site.banner).to_have_count(0)
    await site.page.unroute("**/site/v1/**")

    await site.page.evaluate("dispatchEvent(new Event('online'))")

    await expect(site.banner).to_be_visible()


#: How pages come without a load: with another body, with other content in the one there is, with a copy kept of one.
SWAPS = {
    "another body": "document.body.replaceWith(body)",
    "other content": "document.body.replaceChildren(...body.children)",
    "a kept copy": "document.body.replaceWith(document.body.cloneNode(true))",
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
async def test_where_a_page_is_swapped_without_a_load_the_banner_is_there_again(
    site: BannerPage, swap: str
) -> None:
    visit = f"""() => {{
      const body = document.createElement('body');
      body.append(document.querySelector('main').cloneNode(true));
      {swap};
    }}"""
    await site.open(data='data-theme="dark"')
    await expect(site.banner).to_be_visible()

    await site.page.evaluate(visit)
    await expect(site.banner).to_be_visible()
    await site.told(lambda: site.button(site.banner, "refuse_all").click())
    await site.page.evaluate(visit)
    await site.reopen.click()
    await site.switch("matomo").check()
    await site.told(lambda: site.button(site.settings, "save").click())

    assert await site.allowed() == ["matomo", "orders"]
    await expect(site.page.locator("consent-banner")).to_have_count(1)
    await expect(site.page.locator("consent-banner")).to_have_attribute("theme", "dark")


async def test_a_banner_that_was_taken_away_for_good_stays_away(site: BannerPage) -> None:
    await site.open()
    await expect(site.banner).to_be_visible()

    await site.page.evaluate(
        """async () => {
          const banner = document.querySelector('consent-banner');
          banner.consent = undefined;
          banner.remove();
          await new Promise(requestAnimationFrame);
        }"""
    )

    await expect(site.page.locator("consent-banner")).to_have_count(0)


async def test_without_javascript_the_page_is_there_and_nobody_is_told(
    stage: Stage, new_context: NewContext
) -> None:
    page = await (await new_context(java_script_enabled=False)).new_page()
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    shown = BannerPage(stage, page)

    await shown.open()

    await expect(page.get_by_role("heading", name="Ansettr")).to_be_visible()
    await expect(page.locator("consent-banner")).to_have_count(0)
    assert [one for one in asked if "/site/" in one] == []


@pytest.mark.parametrize(
    ("lang", "title", "refuse", "first", "again"),
    [
        ("nb", "Du bestemmer", "Avslå alle", "Statistikk", "Dine valg"),
        ("nn", "Du bestemmer", "Avslå alle", "Statistikk", "Vala dine"),
        ("en", "You decide", "Refuse all", "Statistics", "Your choices"),
    ],
)
async def test_it_speaks_the_pages_language_and_says_so(
    site: BannerPage, lang: str, title: str, refuse: str, first: str, again: str
) -> None:
    await site.open(lang, site=SITE_OF_ALL_KINDS)

    await expect(site.banner.get_by_role("heading")).to_have_text(title)
    await expect(site.button(site.banner, "refuse_all")).to_have_text(refuse)
    await expect(site.banner.locator("li").first).to_have_text(first)
    assert await site.page.locator("consent-banner").get_attribute("lang") == lang
    posted = await site.told(lambda: site.button(site.banner, "refuse_all").click())
    assert posted["language"] == lang
    await expect(site.reopen).to_have_text(again)
