"""Our own banner for everybody: by keyboard, by ear, small, dark, still, and equal in what it offers (WCAG 2.2 AA)."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.banner_site import SITE_OF_ALL_KINDS, BannerPage
from tests.browser.conftest import NewContext
from tests.browser.stage import Stage
from tests.soak import soak

pytestmark = pytest.mark.usefixtures("all_kinds")
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (1280, 320)
#: Each two of language, scheme and width stand together once.
HALF = [("nb", "light", 1280), ("nb", "dark", 320), ("en", "light", 320), ("en", "dark", 1280)]


async def faults(page: Page, axe: Path) -> list[str]:
    """What axe finds on the page as it stands, `rule: where`. What moves is let come to rest first."""
    await page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe.read_text())
    found: Any = await page.evaluate(
        "(levels) => axe.run(document, { runOnly: levels, resultTypes: ['violations'] })", LEVELS
    )
    assert found["testEngine"]["name"] == "axe-core"
    return [f"{one['id']}: {node['target']}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("lang", "scheme", "width"), soak(HALF, [*product(("nb", "nn", "en"), ("light", "dark"), WIDTHS)])
)
async def test_axe_finds_nothing_in_any_state(
    stage: Stage, new_context: NewContext, node_modules: Path, lang: str, scheme: str, width: int
) -> None:
    axe = node_modules / "axe-core" / "axe.min.js"
    context = await new_context(
        color_scheme=scheme, viewport={"width": width, "height": 700}, reduced_motion="reduce"
    )
    site = BannerPage(stage, await context.new_page())
    await site.open(lang, site=SITE_OF_ALL_KINDS)

    await expect(site.banner).to_be_visible()
    assert await faults(site.page, axe) == []
    await site.button(site.banner, "settings").click()
    await site.switch("kinds-analytics").check()
    await site.settings.locator("summary").first.click()
    assert await faults(site.page, axe) == []
    await site.told(lambda: site.button(site.settings, "save").click())
    await expect(site.reopen).to_be_visible()
    assert await faults(site.page, axe) == []
    await site.reopen.click()
    await expect(site.switch("kinds-analytics")).to_be_checked()
    assert await faults(site.page, axe) == []


async def test_axe_would_have_found_something(site: BannerPage, node_modules: Path) -> None:
    """Else the test above would show nothing: it looks into the banner, also at colours and sizes."""
    await site.open()
    await expect(site.banner).to_be_visible()
    await site.page.evaluate(
        """() => {
          const banner = document.querySelector('consent-banner');
          banner.style.setProperty('--consent-text', '#aaa');
          banner.shadowRoot.querySelector('.close').removeAttribute('aria-label');
        }"""
    )

    found = " ".join(await faults(site.page, node_modules / "axe-core" / "axe.min.js"))

    assert "color-contrast: " in found
    assert "button-name: " in found


async def test_the_keyboard_alone_is_enough(site: BannerPage) -> None:
    """Nothing is clicked here. The banner comes first, traps nobody, and gives the focus on when it goes."""
    await site.open()
    await expect(site.banner).to_be_visible()
    assert await site.tab(5) == ["accept_all", "refuse_all", "settings", "close", "first"]
    for _ in range(2):
        await site.page.keyboard.press("Shift+Tab")
    assert await site.focused() == "settings"

    await site.page.keyboard.press("Enter")
    await expect(site.settings).to_be_visible()
    assert await site.focused() == "settings-title"
    assert await site.tab() == ["matomo"]
    await site.page.keyboard.press("Space")
    await expect(site.switch("matomo")).to_be_checked()
    while await site.focused() != "save":
        await site.tab()
    await site.told(lambda: site.page.keyboard.press("Enter"))

    assert await site.focused() == "reopen"
    await expect(site.said).to_have_text("Your choices are saved.")
    await site.page.keyboard.press("Enter")
    await expect(site.switch("matomo")).to_be_checked()
    await site.page.keyboard.press("Escape")
    await expect(site.settings).to_have_count(0)
    assert await site.focused() == "reopen"


async def test_the_focus_stays_in_the_settings_while_they_are_open(site: BannerPage) -> None:
    """In one direction and the other, twice around."""
    await site.open()
    await site.button(site.banner, "settings").click()
    await expect(site.settings).to_be_visible()

    for key in ("Tab", "Shift+Tab"):
        met = []
        for _ in range(24):
            await site.page.keyboard.press(key)
            met.append(await site.focused())
        assert met.count("save") >= 2, met
        assert {"first", "last", "reopen"}.isdisjoint(met)


@pytest.mark.parametrize("layer", ["banner", "settings"])
async def test_escape_closes_and_puts_the_answer_off(site: BannerPage, layer: str) -> None:
    await site.open()
    await expect(site.banner).to_be_visible()
    await site.tab(3)
    if layer == "settings":
        await site.page.keyboard.press("Enter")
        await expect(site.settings).to_be_visible()

    posted = await site.told(lambda: site.page.keyboard.press("Escape"))

    assert (posted["layer"], posted["button"]) == (layer, "close")
    assert set(posted["choices"].values()) == {"deferred"}
    await expect(site.banner).to_have_count(0)


async def test_escape_in_the_page_is_the_pages_own(site: BannerPage) -> None:
    await site.open(body='<p><label>Search <input id="search"></label></p>')
    await expect(site.banner).to_be_visible()
    await site.page.focus("#search")

    await site.page.keyboard.press("Escape")

    await expect(site.banner).to_be_visible()


async def test_screen_readers_are_told_what_is_there(site: BannerPage) -> None:
    await site.open(site=SITE_OF_ALL_KINDS)

    await expect(site.said).to_contain_text("You decide. Choose what we may use information about you for.")
    await expect(site.page.get_by_role("region", name="You decide")).to_be_visible()
    await site.page.get_by_role("button", name="Let me choose").click()
    dialog = site.page.get_by_role("dialog", name="You decide")
    await expect(dialog.get_by_role("switch", name="Statistics")).to_have_accessible_description(
        "Statistics: we use information about you for this, and delete it afterwards."
    )
    await expect(dialog.get_by_role("group", name="Orders")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Close")).to_be_visible()


@pytest.mark.parametrize("height", [568, 256], ids=["phone", "zoomed to 400 %"])
async def test_320_pixels_are_wide_enough(site: BannerPage, height: int) -> None:
    await site.page.set_viewport_size({"width": 320, "height": height})
    await site.open(site=SITE_OF_ALL_KINDS)
    await expect(site.banner).to_be_visible()
    await _fits(site, site.banner)
    for name in ("accept_all", "refuse_all", "settings", "close"):
        await _can_be_seen(site, site.button(site.banner, name))

    await site.button(site.banner, "settings").click()
    await site.settings.locator("summary").first.click()
    await _fits(site, site.settings)
    for name in ("accept_all", "refuse_all", "save", "close"):
        await _can_be_seen(site, site.button(site.settings, name))
    await _can_be_seen(site, site.switch("kinds-security"))


async def _fits(site: BannerPage, shown: Locator) -> None:
    assert await site.page.evaluate("document.documentElement.scrollWidth") <= 320
    too_wide = await shown.evaluate(
        """(shown) => [shown, ...shown.querySelectorAll('*')].filter((one) => one.scrollWidth > one.clientWidth
             && getComputedStyle(one).display !== 'inline').map((one) => one.className || one.localName)"""
    )
    assert [one for one in too_wide if one != "input"] == []
    box = await shown.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 320


async def _can_be_seen(site: BannerPage, control: Locator) -> None:
    """Scrolled to, it is on the screen, and nothing lies over it."""
    await control.scroll_into_view_if_needed()
    on_top = await control.evaluate(
        """(control) => {
          const { left, top, width, height } = control.getBoundingClientRect();
          const there = control.getRootNode().elementFromPoint(left + width / 2, top + height / 2);
          return control.contains(there);
        }"""
    )
    assert on_top, await control.get_attribute("data-button")


async def test_what_has_the_focus_does_not_hide_behind_the_banner(site: BannerPage) -> None:
    await site.page.set_viewport_size({"width": 800, "height": 600})
    links = "".join(f'<p><a id="link-{number}" href="#">Link {number}</a></p>' for number in range(40))
    await site.open(body=links)
    await expect(site.banner).to_be_visible()
    await site.page.focus("#first")

    for number in range(40):
        await site.page.keyboard.press("Tab")
        link, banner = (
            await site.page.locator(f"#link-{number}").bounding_box(),
            await site.banner.bounding_box(),
        )
        assert link is not None and banner is not None
        assert link["y"] + link["height"] <= banner["y"], number
    await site.page.keyboard.press("Tab")
    last, banner = await site.page.locator("#last").bounding_box(), await site.banner.bounding_box()
    assert last is not None and banner is not None
    assert last["y"] + last["height"] <= banner["y"]
    await site.told(lambda: site.button(site.banner, "refuse_all").click())
    assert await site.page.evaluate("document.adoptedStyleSheets.length") == 0
