"""`make screenshots`: each state of banner and demonstration as a picture, for people to look at, in build/screenshots."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from contextlib import AsyncExitStack
from itertools import product

from playwright.async_api import Page, ViewportSize, async_playwright

from tests.chromium import ARGUMENTS, MISSING, find_chromium
from tests.processes import ROOT

FOLDER = ROOT / "build" / "screenshots"
START_S = 60.0
STOP_S = 20.0
SIZES = {"desktop": ViewportSize(width=1280, height=800), "phone": ViewportSize(width=390, height=844)}


async def run() -> int:
    chromium = find_chromium()
    if chromium is None:
        print(MISSING, file=sys.stderr)  # noqa: T201
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "consent_service", "run", "--port", "0", "--data-dir", folder),
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")},
            stdout=asyncio.subprocess.PIPE,
        )
        stack.push_async_callback(_stop, process)
        demo = await demo_address(process)
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        for lang, scheme, (size, viewport) in product(("nb", "en"), ("light", "dark"), SIZES.items()):
            context = await browser.new_context(
                color_scheme="dark" if scheme == "dark" else "light",
                viewport=viewport,
                reduced_motion="reduce",
            )
            await take(await context.new_page(), f"{demo}?lang={lang}", f"{lang}-{scheme}-{size}")
            await context.close()
        await browser.close()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures are in {FOLDER}")  # noqa: T201
    return 0


async def demo_address(process: asyncio.subprocess.Process) -> str:
    """Where `run` tells people that the demonstration is. Raises AssertionError where it ends before."""
    assert process.stdout is not None
    async with asyncio.timeout(START_S):
        async for line in process.stdout:
            found = re.search(r"Demonstration site +(http\S+)", line.decode())
            if found:
                return found[1]
    raise AssertionError("it ended without telling of the demonstration")


async def take(page: Page, address: str, name: str) -> None:
    """Every state that a visitor meets, in the order in which they would."""

    async def picture(state: str, *, whole: bool = False) -> None:
        await page.mouse.move(0, 0)
        await page.screenshot(path=FOLDER / f"{name}-{state}.png", full_page=whole)

    banner, settings = page.locator("consent-banner .banner"), page.locator("consent-banner dialog")
    await page.goto(address)
    await page.locator(".consent-placeholder p").wait_for()
    await banner.wait_for()
    await picture("1-banner")
    await page.keyboard.press("Tab")
    await picture("2-banner-by-keyboard")
    await banner.locator("[data-button=settings]").click()
    await picture("3-settings")
    await settings.locator("input").first.check()
    await settings.locator("summary").first.click()
    await picture("4-settings-details")
    await settings.locator(".links").scroll_into_view_if_needed()
    await picture("5-settings-end")
    await settings.locator("[data-button=accept_all]").click()
    await page.locator("td.allowed").nth(2).wait_for()
    await picture("6-after")
    await picture("7-after-whole-page", whole=True)
    await page.locator(".top [data-consent-settings]").click()
    await picture("8-settings-again")
    await settings.locator("[data-button=refuse_all]").click()
    await picture("9-withdrawn-whole-page", whole=True)


async def _stop(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    async with asyncio.timeout(STOP_S):
        await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
