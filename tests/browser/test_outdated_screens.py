"""A purpose changes in a way that matters while a visitor has its words before them: a yes to the old ones is asked anew (R37, R40)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from consent_service.embedded import KafkaServer, PostgresServer
from tests.browser.banner_site import BannerPage
from tests.browser.libraries import COOKIECONSENT, KLARO
from tests.browser.library_site import Library, LibraryPage
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


@pytest.mark.parametrize(
    ("library", "words"),
    [(COOKIECONSENT, "Other words for one library."), (KLARO, "Other words for another library.")],
    ids=["cookieconsent", "klaro"],
)
async def test_a_library_comes_back_with_the_new_words(
    stage: Stage, page: Page, library: Library, words: str
) -> None:
    site = LibraryPage(stage, page, library)
    await site.visit()
    await expect(site.banner).to_be_visible()
    await change_matomo(stage, words)

    await site.told(library.accept)

    await expect(site.banner).to_be_visible()
    assert "matomo" not in await site.allowed()
    site.tags.forget()
    await site.page.evaluate("consent.openSettings()")
    await expect(site.page.locator("body")).to_contain_text(words)
    await site.visit("/next")
    await expect(site.banner).to_be_visible()
    await site.told(library.accept)
    await site.tags.was_asked("/matomo.hit")
    await stage.agrees(await site.visitor(), "pixel grant", "profile grant", "matomo grant")
