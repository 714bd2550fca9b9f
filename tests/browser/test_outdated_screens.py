"""A purpose changes in a way that matters while a visitor has its words before them: a yes to the old ones is asked anew (R37, R40)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from consent_service.embedded import KafkaServer, PostgresServer
from tests.browser import test_klaro, test_vanilla_cookieconsent
from tests.browser.banner_site import BannerPage
from tests.browser.library_site import LibraryPage
from tests.browser.stage import CONTROLLER, Stage, running_stage
from tests.events.streams import eventually

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
async def stage(
    postgres: PostgresServer, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """Of this file's own: what it publishes, others would be asked."""
    async with running_stage(postgres, kafka, tmp_path_factory.mktemp("service")) as running:
        yield running


async def change_matomo(stage: Stage, words: str) -> None:
    """Publish a version of other words, and return once the notice has them."""
    texts = {"name": "Matomo", "description": words}
    content: dict[str, Any] = {"legal_bases": ["consent"], "notices": {"nb": texts, "en": texts}}
    async with stage.service.client(CONTROLLER) as client:
        answer = await client.put("/v1/purposes/matomo", json={"change": "material", **content})
    assert answer.status_code == 201, answer.text
    async with httpx.AsyncClient() as client:

        async def told() -> bool:
            return words in (await client.get(f"{stage.endpoint}/notice?lang=en")).text

        await eventually(told)


async def test_our_own_banner_comes_back_with_the_new_words(stage: Stage, page: Page) -> None:
    site = BannerPage(stage, page)
    await site.open()
    await expect(site.banner).to_be_visible()
    await change_matomo(stage, "Other words for our banner.")

    await site.told(lambda: site.button(site.banner, "accept_all").click())

    await expect(site.banner).to_be_visible()
    assert "matomo" not in await site.allowed()
    await site.button(site.banner, "settings").click()
    await expect(site.settings).to_contain_text("Other words for our banner.")
    await site.told(lambda: site.button(site.settings, "accept_all").click())
    await stage.agrees(await site.visitor(), "pixel grant", "profile grant", "matomo grant")


async def test_vanilla_cookieconsent_comes_back_with_the_new_words(stage: Stage, page: Page) -> None:
    site = test_vanilla_cookieconsent.library(stage, page)
    await comes_back(
        site,
        test_vanilla_cookieconsent.BANNER,
        test_vanilla_cookieconsent.ACCEPT,
        "Other words for one library.",
    )


async def test_klaro_comes_back_with_the_new_words(stage: Stage, page: Page) -> None:
    site = test_klaro.library(stage, page)
    await comes_back(site, test_klaro.BANNER, test_klaro.ACCEPT, "Other words for another library.")


async def comes_back(site: LibraryPage, banner: str, accept: str, words: str) -> None:
    await site.visit()
    await expect(site.page.locator(banner)).to_be_visible()
    await change_matomo(site.stage, words)

    await site.told(accept)

    await expect(site.page.locator(banner)).to_be_visible()
    assert "matomo" not in await site.allowed()
    site.tags.forget()
    await site.page.evaluate("consent.openSettings()")
    await expect(site.page.locator("body")).to_contain_text(words)
    await site.visit("/next")
    await expect(site.page.locator(banner)).to_be_visible()
    await site.told(accept)
    await site.tags.was_asked("/matomo.hit")
    await site.stage.agrees(await site.visitor(), "pixel grant", "profile grant", "matomo grant")
