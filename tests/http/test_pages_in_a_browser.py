"""The pages in a browser that keeps to their policies: nothing of theirs is refused. Needs Chromium; without it, skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consent_service.embedded import PostgresServer
from consent_service.http import documentation
from tests.chromium import ARGUMENTS, MISSING, find_chromium
from tests.http.here import Here, served_here

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=MISSING),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
async def here(postgres: PostgresServer) -> AsyncIterator[Here]:
    async with served_here(postgres) as running:
        yield running


async def refusals(url: str, folder: Path) -> list[str]:
    """What the browser says that a policy does not let it do."""
    assert CHROMIUM is not None
    browser = await asyncio.create_subprocess_exec(
        *(CHROMIUM, "--headless", *ARGUMENTS),
        *("--enable-logging=stderr", "--virtual-time-budget=10000", f"--user-data-dir={folder}"),
        *("--dump-dom", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    page, said = await browser.communicate()
    assert b"</html>" in page
    return [line for line in said.decode(errors="replace").splitlines() if "Content Security Policy" in line]


@pytest.mark.parametrize("path", ["/schema", "/problems", "/problems/erased"])
async def test_a_page_is_shown_within_its_policy(here: Here, path: str, tmp_path: Path) -> None:
    """The script of the documentation, and nothing else, asks for the document."""
    asked = here.metrics.requests.labels("GET", "/schema/openapi.json", "200")
    before = asked._value.get()

    assert await refusals(here.url + path, tmp_path) == []

    assert asked._value.get() == before + (path == "/schema")


async def test_the_browser_tells_what_a_policy_refuses(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the test above would show nothing."""
    monkeypatch.setattr(documentation, "_SCHEMA_POLICY", documentation._policy(script_src="'self'"))

    assert any("inline style" in line for line in await refusals(f"{here.url}/schema", tmp_path))
