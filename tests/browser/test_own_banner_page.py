"""What docs/WEB.md tells site owners of our own banner, done as it stands there."""

from __future__ import annotations

import re

import httpx
from playwright.async_api import Page, Route, expect

from tests.browser.banner_site import BannerPage
from tests.browser.stage import Stage
from tests.processes import ROOT

SECTION = (ROOT / "docs" / "WEB.md").read_text().split("## Our own banner")[1].split("\n## ")[0]
SCRIPT = (ROOT / "clients" / "web" / "src" / "script.ts").read_text()
STYLE = (ROOT / "clients" / "web" / "src" / "banner" / "style.ts").read_text()


async def as_told(stage: Stage) -> str:
    """The page's first block of HTML, at the addresses that service and tags have here."""
    (html,) = re.findall(r"```html\n(.*?)```", SECTION, re.DOTALL)
    async with httpx.AsyncClient() as client:
        told = (await client.get(f"{stage.service.url}/web")).json()
    for written, real in (
        ("https://consent.example.no/web/DIGEST/consent.js", told["src"]),
        ("HASH", told["integrity"]),
        ("https://consent.example.no", stage.service.url),
        ("https://tags.example.no", stage.tags.origin),
        ("nettstedanalyse-matomo", "matomo"),
        ("youtube-film", "pixel"),
    ):
        assert written in html
        html = html.replace(written, real)
    return f"<!doctype html><html lang=en><title>Ansettr</title><body>{html}"


async def test_what_the_page_says_is_all_that_a_site_needs(stage: Stage, page: Page) -> None:
    stage.tags.forget()
    films: list[str] = []

    async def film(route: Route) -> None:
        films.append(route.request.url)
        await route.fulfill(body="A film", content_type="text/html")

    await page.route("**://*.youtube*/**", film)
    site = BannerPage(stage, page)
    await page.goto(stage.web.page("/owner", await as_told(stage)))
    await expect(site.banner).to_be_visible()
    await expect(page.locator(".consent-placeholder")).to_be_visible()
    assert (stage.tags.asked, films) == ({}, [])

    await site.told(lambda: site.button(site.banner, "accept_all").click())

    await stage.tags.was_asked("/matomo.hit")
    await expect(page.frame_locator("iframe").get_by_text("A film")).to_be_visible()
    assert films == ["https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ"]
    await page.get_by_role("button", name="Your choices").first.click()
    await expect(site.settings).to_be_visible()
    await stage.agrees(await site.visitor(), "matomo grant", "pixel grant", "profile grant")


def test_every_attribute_and_property_is_told() -> None:
    (taken,) = re.findall(r"const \{ ([\w, ]+) \} = dataset;", SCRIPT)
    by_name = re.findall(r"dataset\['(\w+)'\]", SCRIPT)
    passed_on = re.findall(r"of \['(\w+)', '(\w+)'\]", SCRIPT)[0]
    attributes = {
        "data-" + re.sub("([A-Z])", lambda found: "-" + found[1].lower(), name)
        for name in (*taken.split(", "), *by_name, *passed_on)
    }
    properties = {f"--consent-{name}" for name in re.findall(r"var\(--consent-([\w-]+)", STYLE)}
    (colours,) = re.findall(r"const COLOURS = \[(.*?)\]", STYLE)
    properties |= {f"--consent-{name}" for name in re.findall(r"'([\w-]+)'", colours)}

    assert len(attributes) == 12
    assert {one for one in attributes if one not in SECTION} == set()
    assert set(re.findall(r"--consent-[\w-]+", SECTION)) == properties
