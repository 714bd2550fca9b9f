"""Real Chromium on a site's pages, before a real service with PostgreSQL and Kafka: one stage and one browser for all files.

Each test is a visitor of its own. A file that changes the catalogue, or needs a site of another kind, has its own stage.
Chromium is Debian's (tests/chromium.py); Playwright drives it, and brings none of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from consent_service.embedded import KafkaServer, PostgresServer
from tests.browser.banner_site import BannerPage, add_site_of_all_kinds
from tests.browser.stage import Stage, running_stage
from tests.chromium import ARGUMENTS, MISSING, find_chromium
from tests.npm import npm_install

NPM = Path(__file__).parent / "npm"
#: How long a page may take for anything, in milliseconds as Playwright counts.
PATIENCE_MS = 10_000

NewContext = Callable[..., Awaitable[BrowserContext]]


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        yield started
        await started.close()


@pytest.fixture(scope="package")
async def stage(
    postgres: PostgresServer, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with running_stage(postgres, kafka, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
async def new_context(browser: Browser) -> AsyncIterator[NewContext]:
    """Makes browsers that know nothing yet, each a visitor of its own; Playwright's options are passed on."""
    made: list[BrowserContext] = []

    async def make(**options: Any) -> BrowserContext:
        context = await browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        made.append(context)
        return context

    yield make
    for context in made:
        await context.close()


@pytest.fixture
async def context(new_context: NewContext) -> BrowserContext:
    return await new_context(locale="en-GB")


@pytest.fixture
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A fresh browser's first tab. An error that no script of the page caught fails the test."""
    tab = await context.new_page()
    uncaught: list[str] = []
    tab.on("pageerror", lambda error: uncaught.append(str(error)))
    yield tab
    assert uncaught == []


@pytest.fixture(scope="package")
async def all_kinds(stage: Stage) -> None:
    """A second site, with a purpose of each kind that a banner shows differently."""
    await add_site_of_all_kinds(stage)


@pytest.fixture
async def site(stage: Stage, page: Page) -> AsyncIterator[BannerPage]:
    """A fresh visitor on pages with our own banner. Whatever they do, no policy has refused anything, and nothing on the
    page has moved.
    """
    shown = BannerPage(stage, page)
    yield shown
    assert await page.evaluate("window.refused ?? []") == []
    assert await page.evaluate("window.moved ?? 0") == 0


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The banner libraries that tests/browser/npm names, as their users get them."""
    return npm_install(NPM)
