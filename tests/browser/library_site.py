"""A site that keeps the banner library it has: its page, and what our adapters make of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Response, expect

from tests.browser.stage import CONTROLLER, Stage
from tests.npm import npm_install

WEB = Path(__file__).parents[2] / "clients" / "web"
DOCUMENT = (WEB.parents[1] / "docs" / "WEB.md").read_text()
_MARK = "/mark"
#: Where a page without a bundler finds what the documents import by name.
_MODULES = {
    "@consent-service/web": "/web/core/index.js",
    "@consent-service/web/adapters/vanilla-cookieconsent": "/web/adapters/vanilla-cookieconsent.js",
    "@consent-service/web/adapters/klaro": "/web/adapters/klaro.js",
    "vanilla-cookieconsent": "/npm/vanilla-cookieconsent/dist/cookieconsent.esm.js",
}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ansettr</title>{head}</head>
<body><h1>Ansettr</h1>{tags}
<script type="module">
{script}
window.running = true;
</script></body></html>"""


@dataclass(frozen=True)
class Library:
    """A page with a banner library, and where in it things are: selectors, but for `denied`, which is the library's own
    word that a purpose is off. `{tags}` in the tags is the address of their server, `ENDPOINT` in the script that of the
    site, CONFIG and OPTIONS what a test adds. The script leaves its consent in `window.consent`.
    """

    head: str
    tags: str
    script: str
    banner: str
    settings: str
    accept: str
    refuse: str
    show: str
    save: str
    switch: str
    denied: str


class LibraryPage:
    """One tab on it."""

    def __init__(
        self, stage: Stage, page: Page, library: Library, *, config: str = "", options: str = ""
    ) -> None:
        self.stage = stage
        self.library = library
        self.page = page
        self.banner = page.locator(library.banner)
        self.settings = page.locator(library.settings)
        self.tags = stage.tags
        self.tags.forget()
        modules = npm_install(WEB)
        stage.web.folder("/web/", WEB / "dist")
        stage.web.folder("/npm/", modules)
        marks = {"tags": stage.tags.origin}
        self._parts = {
            "head": library.head,
            "tags": library.tags.format(**marks),
            "script": library.script.replace("ENDPOINT", stage.endpoint)
            .replace("CONFIG", config)
            .replace("OPTIONS", options),
        }

    async def visit(self, path: str = "/") -> None:
        """Open it, and return once the banner's code has run."""
        html = _PAGE.format(**self._parts)
        await self.page.goto(self.stage.web.page(path, html))
        await self.page.wait_for_function("() => window.running")

    async def visitor(self) -> str:
        visitor: str = await self.page.evaluate("consent.visitor()")
        return visitor

    async def allowed(self) -> list[str]:
        found: list[str] = await self.page.evaluate(
            "consent.ready.then(() => Object.keys(consent.standing()).filter((one) => consent.allows(one)))"
        )
        return found

    async def revoke(self, purpose: str) -> None:
        """What the controller takes back, and may ask about again."""
        subject_id = (await self.stage.records(await self.visitor()))[0]["subject_id"]
        async with self.stage.service.client(CONTROLLER) as client:
            answer = await client.post(
                f"/v1/subjects/{subject_id}/consents/{purpose}/revoke",
                json={"channel": "api", "source": "test"},
            )
        assert answer.status_code == 201, answer.text

    async def asked(self) -> set[str]:
        """The paths that the tags' server was asked for, once everything has come that is on its way by now."""
        await self.page.evaluate("url => fetch(url, {mode: 'no-cors'})", self.tags.origin + _MARK)
        return set(self.tags.asked) - {_MARK}

    async def open_settings(self) -> None:
        await self.page.evaluate("consent.openSettings()")
        await expect(self.settings).to_be_visible()

    async def switch(self, purpose: str, *, on: bool) -> None:
        """By itself, not by where it is: libraries move what they show."""
        box = self.page.locator(self.library.switch.format(purpose=purpose))
        if await box.is_checked() != on:
            await box.evaluate("one => one.click()")
        assert await box.is_checked() == on

    async def told(self, selector: str) -> dict[str, Any]:
        """Click there, wait for the service's answer, and give what was posted."""
        async with self.page.expect_response(_is_choice) as answer:
            await self.page.click(selector)
        response = await answer.value
        assert response.status == 201, await response.text()
        posted = response.request.post_data_json
        assert posted is not None
        return dict(posted)


def documented(adapter: str, endpoint: str) -> str:
    """The code of docs/WEB.md that runs this adapter, as a page without a bundler has it."""
    [code] = [
        code for code in re.findall(r"```js\n(.*?)```", DOCUMENT, re.DOTALL) if f"adapters/{adapter}'" in code
    ]
    # Klaro is no module; a page has it from a script of its own.
    code = code.replace("import * as klaro from 'klaro';\n", "")
    code = code.replace("https://consent.example.no/site/v1/ansettr-web", endpoint)
    return re.sub(r"from '([^']+)'", lambda found: f"from '{_MODULES[found[1]]}'", code)


def _is_choice(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/consents")
