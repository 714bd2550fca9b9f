"""A site that keeps the banner library it has: its page, and what our adapters make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Page, Response

from tests.browser.stage import Stage
from tests.npm import npm_install

WEB = Path(__file__).parents[2] / "clients" / "web"
_MARK = "/mark"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ansettr</title>{head}</head>
<body><h1>Ansettr</h1>{tags}
<script type="module">
import {{ createConsent }} from '/web/core/index.js';
const consent = createConsent({{ endpoint: '{endpoint}' }});
window.consent = consent;
{script}
window.running = true;
</script></body></html>"""


class LibraryPage:
    """One tab on it. `head`, `tags` and `script` are the page's; `{tags}` in them is the address of the tags' server."""

    def __init__(self, stage: Stage, page: Page, *, head: str, tags: str, script: str) -> None:
        self.stage = stage
        self.page = page
        self.tags = stage.tags
        self.tags.forget()
        modules = npm_install(WEB)
        stage.web.folder("/web/", WEB / "dist")
        stage.web.folder("/npm/", modules)
        marks = {"tags": stage.tags.origin}
        self._parts = {"head": head, "tags": tags.format(**marks), "script": script}

    async def visit(self, path: str = "/") -> None:
        """Open it, and return once the banner's code has run."""
        html = _PAGE.format(endpoint=self.stage.endpoint, **self._parts)
        await self.page.goto(self.stage.web.page(path, html))
        await self.page.wait_for_function("window.running")

    async def visitor(self) -> str:
        visitor: str = await self.page.evaluate("consent.visitor()")
        return visitor

    async def allowed(self) -> list[str]:
        found: list[str] = await self.page.evaluate(
            "consent.ready.then(() => Object.keys(consent.standing()).filter((one) => consent.allows(one)))"
        )
        return found

    async def asked(self) -> set[str]:
        """The paths that the tags' server was asked for, once everything has come that is on its way by now."""
        await self.page.evaluate("url => fetch(url, {mode: 'no-cors'})", self.tags.origin + _MARK)
        return set(self.tags.asked) - {_MARK}

    async def told(self, selector: str) -> dict[str, Any]:
        """Click there, wait for the service's answer, and give what was posted."""
        async with self.page.expect_response(_is_choice) as answer:
            await self.page.click(selector)
        response = await answer.value
        assert response.status == 201, await response.text()
        posted = response.request.post_data_json
        assert posted is not None
        return posted


def _is_choice(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/consents")
