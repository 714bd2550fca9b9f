"""How soon the first allowed tag of a page runs on a repeat visit, in real Chromium."""

from __future__ import annotations

import sys
from importlib.resources import files
from statistics import median

from playwright.async_api import Page, async_playwright

from benchmarks.figures import Figure, figure
from benchmarks.generator import percentile
from benchmarks.stage import Stage
from consent_service.http.demo import ANALYTICS, SITE
from tests.browser.web import Web, web_server
from tests.chromium import ARGUMENTS, MISSING, find_chromium

NAME = "first_allowed_tag"
#: Of each page; one that was loaded first fills the browser's caches and is not counted.
LOADS = 40
_BARE = "marked script without content"
_BEGIN = "window.began = performance.now();"
_RUN = "window.ran = performance.now();"
_HELD = f'type="text/plain" data-consent="{ANALYTICS}"'
_PAGE = """<!doctype html><html lang="nb"><head><meta charset="utf-8"><title>Ansettr</title>
<script src="/{script}" data-endpoint="{endpoint}"></script>
<script {held}>{run}</script></head><body><h1>Ansettr</h1></body></html>"""
#: Only a page that is isolated from other sites has a clock of 5 microseconds; others get one of 100.
_ISOLATED = {"Cross_Origin_Opener_Policy": "same-origin", "Cross_Origin_Embedder_Policy": "require-corp"}
_FOR_EVER = "public, max-age=31536000, immutable"
_SETTLED = "performance.getEntriesByType('resource').some((one) => one.name.endsWith('/consents'))"
_EARLY = """performance.getEntriesByType('resource')
  .filter((one) => one.name.includes('/site/v1/') && one.startTime < window.ran).length"""


async def first_allowed_tag(stage: Stage) -> list[Figure]:
    """Milliseconds from our script's first line to the tag; nothing, and a sentence, where there is no Chromium."""
    chromium = find_chromium()
    if chromium is None:
        print(f"  {NAME} is left out. {MISSING}", file=sys.stderr, flush=True)
        return []
    async with web_server() as web, async_playwright() as playwright:
        service = await stage.demo_service(web.origin)
        gated, bare = _put_pages(web, f"http://127.0.0.1:{service.served.port}/site/v1/{SITE}")
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        page = await browser.new_page()
        await _allow(page, gated)
        waits: list[float] = []
        ceilings: list[float] = []
        for _ in range(LOADS):
            waits.append(await _load(page, gated))
            ceilings.append(await _load(page, bare))
        await browser.close()
        if (web.asked["/consent.js"], web.asked["/empty.js"]) != (1, 1):
            raise RuntimeError("the scripts did not come out of the browser's cache")
    return [
        figure(NAME, median(waits), "ms", _BARE, median(ceilings)),
        figure(
            f"{NAME}_p95", percentile(sorted(waits), 0.95), "ms", _BARE, percentile(sorted(ceilings), 0.95)
        ),
    ]


def _put_pages(web: Web, endpoint: str) -> tuple[str, str]:
    """A page with our script and a tag that waits; the same with a script that does nothing and a tag that does not."""
    client = files("consent_service.http").joinpath("static", "web", "consent.js").read_text("utf-8")
    web.script("/consent.js", _BEGIN + client, Cache_Control=_FOR_EVER)
    web.script("/empty.js", _BEGIN, Cache_Control=_FOR_EVER)
    gated = _PAGE.format(script="consent.js", endpoint=endpoint, held=_HELD, run=_RUN)
    bare = _PAGE.format(script="empty.js", endpoint=endpoint, held="", run=_RUN)
    return web.page("/gated", gated, **_ISOLATED), web.page("/bare", bare, **_ISOLATED)


async def _allow(page: Page, gated: str) -> None:
    """The first visit: everything is accepted, and the service has heard of it."""
    await page.goto(gated)
    async with page.expect_response(lambda one: one.request.method == "POST") as answer:
        await page.locator("consent-banner [data-button=accept_all]").click()
    if (status := (await answer.value).status) != 201:
        raise RuntimeError(f"the visitor's choice was answered with {status}")
    await _load(page, gated)
    await _load(page, gated.replace("/gated", "/bare"))


async def _load(page: Page, address: str) -> float:
    """One visit, left when the page has nothing under way. Raises RuntimeError where the tag waited for the network."""
    await page.goto(address)
    if address.endswith("/gated"):
        await page.wait_for_function(_SETTLED)
        if await page.evaluate(_EARLY):
            raise RuntimeError("a request to the service began before the tag ran")
    waited: float = await page.evaluate("window.ran - window.began")
    return waited
