"""The demonstration site of a real `consent-service run`: no tag before consent, none after withdrawal, by the tags' own count."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from consent_service.app.serving import demo_folder
from consent_service.embedded import KafkaServer, PostgresServer
from consent_service.settings import load_settings
from tests.browser.banner_site import WATCH
from tests.browser.conftest import NewContext
from tests.browser.screenshots import demo_address
from tests.browser.test_banner_access import faults
from tests.databases import copy_template, drop
from tests.processes import ROOT, STOP_S
from tests.soak import soak

KEY = base64.b64encode(bytes(32)).decode()
TAGS = ("nettstedanalyse-matomo", "facebook-piksel", "youtube-film")


@dataclass
class Demo:
    """One test's part of a running one: of what was asked before the test, nothing counts."""

    url: str
    since: int = 0

    async def told(self) -> dict[str, Any]:
        async with httpx.AsyncClient() as client:
            answer: dict[str, Any] = (await client.get(f"{self.url}/requests?after={self.since}")).json()
        return answer

    async def requests(self) -> list[dict[str, Any]]:
        """What the tags' servers were asked, in order."""
        told = await self.told()
        requests: list[dict[str, Any]] = told["requests"]
        assert len(requests) == told["last"] - self.since
        return requests

    async def counts(self) -> Counter[str]:
        return Counter(one["purpose"] for one in await self.requests())


@pytest.fixture
async def demo(address: str) -> Demo:
    return Demo(address, since=(await Demo(address).told())["last"])


@pytest.fixture(scope="module")
async def address(
    postgres: PostgresServer, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """Where `consent-service run` says that it is, on engines that run already and a database with nothing loaded."""
    database = await copy_template(postgres)
    others = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    environment = {
        **others,
        "CONSENT_DATABASE_URL": database.url("consent_service"),
        "CONSENT_KAFKA_BOOTSTRAP": kafka.bootstrap,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "consent_service", "run", "--port", "0"),
        *("--data-dir", str(tmp_path_factory.mktemp("run"))),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield await demo_address(process)
    finally:
        process.terminate()
        async with asyncio.timeout(STOP_S):
            await process.wait()
        await drop(postgres, database)


async def open_demo(page: Page, demo: Demo, lang: str = "en") -> None:
    await page.add_init_script(WATCH)
    await page.goto(f"{demo.url}?lang={lang}")


async def read_all_vacancies(page: Page) -> None:
    """What a visitor does that tags would tell of."""
    for number in range(3):
        await page.locator("[data-job]").nth(number).click()


async def shown(page: Page, purpose: str, kind: str, count: int | re.Pattern[str]) -> None:
    cell = page.locator(f"td[data-purpose={purpose}][data-kind={kind}]")
    await expect(cell).to_have_text(str(count) if isinstance(count, int) else count)


async def test_who_opens_the_service_itself_is_led_to_the_demonstration(demo: Demo) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(demo.url.removesuffix("demo"))
    assert (answer.status_code, answer.headers["location"]) == (302, "/demo")


async def test_tags_wait_for_consent_run_after_it_and_stop_at_withdrawal(demo: Demo, page: Page) -> None:
    banner = page.locator("consent-banner .banner")
    await open_demo(page, demo)
    await expect(banner).to_be_visible()
    await read_all_vacancies(page)
    assert await demo.requests() == []
    await expect(page.locator(".consent-placeholder")).to_contain_text("Films from YouTube")

    await banner.locator("[data-button=accept_all]").click()
    for purpose in TAGS:
        await shown(page, purpose, "allowed", re.compile("[1-9]"))
    await read_all_vacancies(page)
    told = {one["what"] for one in await demo.requests()}
    assert {"script", "page view", "PageView", "player", "vacancy: nurse", "ViewContent nurse"} <= told

    await page.locator(".foot [data-consent-settings]").click()
    async with page.expect_response(lambda one: one.request.method == "POST"):
        await page.locator("consent-banner dialog [data-button=refuse_all]").click()
    before = await demo.counts()
    await read_all_vacancies(page)
    await page.reload()
    await read_all_vacancies(page)
    # What is counted after all of that is counted in its order, so nothing came between.
    await _send_a_letter(page, "nora@example.no")
    assert (await demo.counts()) - before == Counter({"nyhetsbrev": 1})
    for purpose in TAGS:
        await shown(page, purpose, "never", 0)
        await shown(page, purpose, "allowed", before[purpose])
        await shown(page, purpose, "after", 0)
    assert await page.evaluate("document.cookie.split('; ').map((one) => one.split('=')[0])") == [
        "consent_ansettr-demo"
    ]
    assert await page.evaluate("refused") == []


async def test_only_what_was_accepted_runs_and_a_placeholder_leads_to_the_rest(
    demo: Demo, page: Page
) -> None:
    await open_demo(page, demo, "nb")
    await page.locator("consent-banner .banner [data-button=refuse_all]").click()

    await page.locator(".consent-placeholder button").click()
    switch = page.locator("consent-banner dialog input[value=youtube-film]")
    await expect(switch).to_be_in_viewport()
    await expect(switch).to_be_focused()
    await switch.check()
    await page.locator("consent-banner dialog [data-button=save]").click()

    await expect(page.frame_locator("iframe").get_by_text("YouTube")).to_be_visible()
    await expect(page.locator(".consent-placeholder")).to_have_count(0)
    await read_all_vacancies(page)
    await shown(page, "youtube-film", "allowed", 1)
    assert await demo.counts() == Counter({"youtube-film": 1})


@pytest.mark.parametrize(
    ("lang", "words"), [("nb", "Står inn for YouTubes spiller."), ("en", "Stands in for YouTube's player.")]
)
async def test_the_film_speaks_the_pages_language(demo: Demo, page: Page, lang: str, words: str) -> None:
    await open_demo(page, demo, lang)
    await page.locator("consent-banner .banner [data-button=accept_all]").click()

    film = page.frame_locator("iframe")
    await expect(film.get_by_text("YouTube")).to_have_text(words)
    await expect(film.locator("html")).to_have_attribute("lang", lang)


async def test_at_no_width_anything_lies_over_the_text_in_the_films_place(demo: Demo, page: Page) -> None:
    """Scrolled to the end of the window, where a banner would keep its button."""
    await open_demo(page, demo, "nb")
    await page.locator("consent-banner .banner [data-button=refuse_all]").click()
    await expect(page.locator(".consent-placeholder p")).to_be_visible()

    for width in (320, 390, 768, 1024, 1280, 1600):
        await page.set_viewport_size({"width": width, "height": 800})
        seen = await page.evaluate(
            """async () => {
              const text = document.querySelector('.consent-placeholder p');
              scrollBy(0, text.getBoundingClientRect().bottom - innerHeight + 24);
              await new Promise(requestAnimationFrame);
              const {left, bottom} = text.getBoundingClientRect();
              return document.elementFromPoint(left + 8, bottom - 8) === text;
            }"""
        )
        assert seen, width


async def test_the_table_would_show_a_tag_that_did_not_wait(demo: Demo, page: Page) -> None:
    """It shows what the servers counted, not what the page hopes for."""
    await open_demo(page, demo)
    await expect(page.locator("consent-banner .banner")).to_be_visible()
    await shown(page, "facebook-piksel", "never", 0)

    await page.evaluate("new Image().src = '/demo/tags/tr?what=PageView'")

    await shown(page, "facebook-piksel", "never", 1)
    await expect(page.locator(".log")).to_contain_text("Meta pixel, before consent")


async def _send_a_letter(page: Page, address: str) -> None:
    """Sign up, confirm, and have the letter sent."""
    said = page.locator("form [role=status]")
    await page.fill("#email", address)
    await page.get_by_role("button", name="Sign up").click()
    await expect(said).to_have_text("A letter would now ask you to confirm.")
    await page.get_by_role("button", name="Confirm").click()
    await expect(said).to_have_text("Confirmed: you are on the list.")
    await page.get_by_role("button", name="Send").click()
    await expect(said).to_have_text("The letter is sent.")


async def test_no_letter_is_sent_before_the_address_is_confirmed_or_after_it_is_taken_off(
    demo: Demo, page: Page
) -> None:
    said = page.locator("form [role=status]")
    await open_demo(page, demo)
    await page.locator("consent-banner .banner [data-button=refuse_all]").click()
    await page.fill("#email", "kari@example.no")
    for name in ("Confirm", "Send"):
        await page.get_by_role("button", name=name).click()
        await expect(said).to_have_text(
            "There is nothing to confirm: sign up first."
            if name == "Confirm"
            else "No letter is sent: the service says no."
        )

    await _send_a_letter(page, "kari@example.no")
    await page.get_by_role("button", name="Unsubscribe").click()
    await expect(said).to_have_text("You are off the list.")
    await page.get_by_role("button", name="Send").click()

    await expect(said).to_have_text("No letter is sent: the service says no.")
    assert await demo.counts() == Counter({"nyhetsbrev": 1})
    await shown(page, "nyhetsbrev", "allowed", 1)
    await shown(page, "nyhetsbrev", "after", 0)


async def test_beginning_anew_is_beginning_as_somebody_else(demo: Demo, page: Page) -> None:
    await open_demo(page, demo)
    await page.locator("consent-banner .banner [data-button=accept_all]").click()
    await shown(page, "youtube-film", "allowed", 1)
    visitor = await page.evaluate("consent.visitor()")

    async with page.expect_navigation():
        await page.locator("[data-anew]").click()

    await expect(page.locator("consent-banner .banner")).to_be_visible()
    await shown(page, "youtube-film", "allowed", 0)
    assert await page.evaluate("consent.visitor()") != visitor


@pytest.mark.soak
@pytest.mark.parametrize(
    ("scheme", "lang"), soak([("light", "nb"), ("dark", "en")], [*product(("light", "dark"), ("nb", "en"))])
)
async def test_axe_finds_nothing_on_the_page(
    demo: Demo, new_context: NewContext, node_modules: Path, scheme: str, lang: str
) -> None:
    axe = node_modules / "axe-core" / "axe.min.js"
    page = await (await new_context(color_scheme=scheme, reduced_motion="reduce")).new_page()
    await open_demo(page, demo, lang)
    await expect(page.locator(".consent-placeholder p")).to_be_visible()
    await page.locator("consent-banner .banner [data-button=accept_all]").click()
    await shown(page, "youtube-film", "allowed", re.compile("[1-9]"))

    assert await faults(page, axe) == []
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_what_is_no_tag_is_not_there_and_not_counted(demo: Demo) -> None:
    async with httpx.AsyncClient() as client:
        answers = [
            await client.get(f"{demo.url}{path}")
            for path in (
                "/tags/other.js",
                "/tags/film.html",
                "/page.en.html",
                "/..%2fpackage.json",
                "/nothing.js",
            )
        ]
        steps = await client.post(f"{demo.url}/newsletter/other", json={"email": "kari@example.no"})
        address = await client.post(f"{demo.url}/newsletter/request", json={"email": "kari"})

    assert [one.status_code for one in [*answers, steps]] == [404] * 6
    assert address.status_code == 422
    assert await demo.requests() == []


def test_there_is_no_demonstration_outside_development() -> None:
    needed = {
        "CONSENT_DATABASE_URL": "postgresql://somewhere",
        "CONSENT_LOOKUP_KEYS": f"l1={KEY}",
        "CONSENT_SEALING_KEYS": f"s1={base64.b64encode(bytes(range(32))).decode()}",
    }

    assert demo_folder(load_settings(needed)) is None
    assert demo_folder(load_settings({**needed, "CONSENT_MODE": "development"})) == ROOT / "clients/web/demo"
