"""Our own banner to the eye: equal in what it offers, light and dark, in a site's own look, and still."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.banner_site import STRICT, BannerPage
from tests.browser.conftest import NewContext
from tests.browser.stage import Stage

#: Everything by which one button could be made to be seen, liked or reached sooner than another.
LOOK = (
    *(
        "width",
        "height",
        "fontSize",
        "fontWeight",
        "fontFamily",
        "lineHeight",
        "letterSpacing",
        "textTransform",
    ),
    *("color", "backgroundColor", "backgroundImage", "borderTopColor", "borderTopWidth", "borderTopStyle"),
    *("borderTopLeftRadius", "boxShadow", "opacity", "filter", "textDecorationLine", "cursor", "padding"),
)
MEASURE = """(button, names) => {
  const look = getComputedStyle(button);
  return Object.fromEntries(names.map((name) => [name, look[name]]));
}"""

BOXES = """(layer) => ['accept_all', 'refuse_all'].map((name) => {
  const { top, width, height } = layer.querySelector(`[data-button=${name}]`).getBoundingClientRect();
  return { top, width, height };
})"""


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("layer", ["banner", "settings"])
async def test_accepting_and_refusing_are_the_same_button_but_for_the_word(
    site: BannerPage, layer: str, width: int
) -> None:
    await site.page.set_viewport_size({"width": width, "height": 700})
    await site.open()
    if layer == "settings":
        await site.button(site.banner, "settings").click()
    shown: Locator = getattr(site, layer)
    await expect(shown).to_be_visible()
    accept, refuse = site.button(shown, "accept_all"), site.button(shown, "refuse_all")

    looks = [await one.evaluate(MEASURE, list(LOOK)) for one in (accept, refuse)]
    # Both in one look, since the layer may still be coming into its place.
    boxes: list[dict[str, float]] = await shown.evaluate(BOXES)

    assert looks[0] == looks[1]
    assert set(looks[0]) == set(LOOK)
    assert boxes[0] == boxes[1]
    assert min(boxes[0].values()) >= 44
    assert await accept.evaluate("(one) => one.nextElementSibling.dataset.button") == "refuse_all"


@pytest.mark.parametrize(
    ("scheme", "attribute", "dark"),
    [("light", "", False), ("dark", "", True), ("dark", "light", False), ("light", "dark", True)],
)
async def test_it_is_dark_where_the_visitor_or_the_site_wants_it(
    stage: Stage, new_context: NewContext, scheme: str, attribute: str, dark: bool
) -> None:
    context = await new_context(color_scheme=scheme)
    site = BannerPage(stage, await context.new_page())
    await site.open(data=f'data-theme="{attribute}"')

    background = await site.banner.evaluate("(one) => getComputedStyle(one).backgroundColor")

    assert background == ("rgb(23, 29, 35)" if dark else "rgb(255, 255, 255)")


async def test_a_site_gives_it_its_own_look_and_keeps_it_equal(site: BannerPage) -> None:
    """With a style sheet of the page's own, which is all that a policy has to allow for it."""
    site.stage.web.put(
        "/site.css",
        b"html { font-size: 62.5% } * { font-family: serif !important } button { background: red !important }"
        b"consent-banner { --consent-accent: #5b1a4f; --consent-radius: 0px; --consent-font: Georgia }",
        "text/css",
    )
    policy = STRICT.replace("default-src 'none'", "default-src 'none'; style-src 'self'")
    await site.open(head='<link rel="stylesheet" href="/site.css">', policy=policy)
    await expect(site.banner).to_be_visible()

    looks = [
        await site.button(site.banner, name).evaluate(MEASURE, ["backgroundColor", "fontSize", "fontFamily"])
        for name in ("accept_all", "refuse_all")
    ]

    assert looks[0] == looks[1]
    assert looks[0] == {"backgroundColor": "rgb(91, 26, 79)", "fontSize": "16px", "fontFamily": "Georgia"}


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_nothing_moves_for_who_wants_it_still(
    stage: Stage, new_context: NewContext, motion: str
) -> None:
    context = await new_context(reduced_motion=motion)
    site = BannerPage(stage, await context.new_page())
    await site.open()
    await site.button(site.banner, "settings").click()

    name = await site.settings.evaluate("(one) => getComputedStyle(one).animationName")

    assert name == ("none" if motion == "reduce" else "come")


async def test_switches_are_the_browsers_own_where_colours_are_the_visitors(
    stage: Stage, new_context: NewContext
) -> None:
    context = await new_context(forced_colors="active")
    site = BannerPage(stage, await context.new_page())
    await site.open()
    await site.button(site.banner, "settings").click()
    await site.switch("matomo").check()

    drawn = await site.switch("matomo").evaluate(
        "(one) => ['', '::before', '::after'].map((part) => getComputedStyle(one, part || null))"
        ".map((look, place) => (place ? look.content : look.appearance))"
    )

    assert drawn == ["auto", "none", "none"]


async def test_the_measure_of_what_moves_would_have_seen_it(stage: Stage, page: Page) -> None:
    """Else the other tests' word that nothing moved would be worth nothing."""
    site = BannerPage(stage, page)
    await site.open()
    await expect(site.banner).to_be_visible()
    await page.evaluate(
        "document.body.prepend(Object.assign(document.createElement('h2'), { textContent: 'An ad' }))"
    )

    await page.wait_for_function("() => moved > 0")
