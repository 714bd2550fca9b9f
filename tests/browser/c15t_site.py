"""A page with the real client of c15t, as docs/WEB.md tells to set it up, and a banner on its store.

The package that has c15t's own banner is for React; without it, whoever uses c15t draws one on the store, as here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Page

from tests.browser.stage import Stage
from tests.events.streams import eventually
from tests.processes import ROOT

#: Where a browser finds what the client imports: the packages as published.
IMPORTS = {
    "c15t": "/npm/c15t/dist/index.js",
    "@c15t/schema/types": "/npm/@c15t/schema/dist/types.js",
    "@c15t/translations": "/npm/@c15t/translations/dist/index.js",
    "zustand/vanilla": "/npm/zustand/esm/vanilla.mjs",
}
_SETUP = re.compile(r"```js\n(import \{ getOrCreateConsentRuntime \}.*?)```", re.DOTALL)
_PAGE = """<!doctype html>
<html lang="en"><head><title>A site with c15t</title><script type="importmap">%(imports)s</script></head>
<body>
<div id="banner" role="dialog" hidden>
  <h2></h2><p></p><button id="refuse"></button><button id="accept"></button><button id="customize"></button>
</div>
<form id="dialog" hidden><div></div><button id="save" type="submit"></button></form>
<button id="change">Change</button>
<script type="module">
%(setup)s
const $ = (query) => document.querySelector(query)
const save = (kind, uiSource) => consentStore.getState().saveConsents(kind, { uiSource })
function show(state) {
  const { translations, defaultLanguage } = state.translationConfig
  const texts = translations[defaultLanguage]
  $('#banner').hidden = state.activeUI !== 'banner'
  $('#dialog').hidden = state.activeUI !== 'dialog'
  $('#banner h2').textContent = texts.cookieBanner.title
  $('#banner p').textContent = texts.cookieBanner.description
  $('#accept').textContent = texts.common.acceptAll
  $('#refuse').textContent = texts.common.rejectAll
  $('#customize').textContent = texts.common.customize
  $('#save').textContent = texts.common.save
  $('#dialog div').replaceChildren(...state.getDisplayedConsents().map(({ name, disabled }) => {
    const label = document.createElement('label')
    const box = Object.assign(document.createElement('input'), {
      type: 'checkbox', name, disabled: Boolean(disabled), checked: state.selectedConsents[name],
    })
    box.onchange = () => consentStore.getState().setSelectedConsent(name, box.checked)
    label.append(box, texts.consentTypes[name].title, ' - ', texts.consentTypes[name].description)
    return label
  }))
}
consentStore.subscribe(show)
show(consentStore.getState())
$('#accept').onclick = () => save('all', 'banner')
$('#refuse').onclick = () => save('necessary', 'banner')
$('#customize').onclick = $('#change').onclick = () => consentStore.getState().setActiveUI('dialog')
$('#dialog').onsubmit = (event) => { event.preventDefault(); save('custom', 'dialog') }
Object.assign(window, { consentStore, consentManager })
</script>
</body></html>
"""


def setup_of_the_docs(stage: Stage) -> str:
    """The code of docs/WEB.md, with this stage's addresses in the place of the example's."""
    found = _SETUP.search((ROOT / "docs/WEB.md").read_text())
    assert found is not None
    code = found[1]
    for written, here in (
        ("https://consent.example.no/site/v1/ansettr-web", stage.endpoint),
        ("https://matomo.example.no", stage.tags.origin),
        ("https://pixel.example.no", stage.tags.origin),
    ):
        assert written in code
        code = code.replace(written, here)
    return code


def c15t_page(stage: Stage, node_modules: Path) -> str:
    """Serve the page, and return its address."""
    stage.web.folder("/npm/", node_modules)
    imports = json.dumps({"imports": IMPORTS})
    return stage.web.page("/", _PAGE % {"imports": imports, "setup": setup_of_the_docs(stage)})


def saving(answer: Any) -> bool:
    return bool(answer.request.method == "POST" and answer.url.endswith("/c15t/subjects"))


async def asks(page: Page, *, yes: bool = True) -> None:
    """The client knows how to ask, and shows its banner, or does not."""
    await page.wait_for_function("() => window.consentStore?.getState().hasFetchedBanner")
    assert await page.locator("#banner").is_visible() is yes


async def keeps_to_send(page: Page, *, yes: bool = True) -> None:
    """The client keeps something that it could not send, or has sent all of it."""
    kept = "localStorage.getItem('c15t-pending-consent-submissions')"
    await page.wait_for_function(f"() => {kept}" if yes else f"() => !{kept}")


async def chooses(page: Page, **ticks: bool) -> None:
    """On the second layer, until the service has answered."""
    await page.click("#customize" if await page.locator("#banner").is_visible() else "#change")
    for name, tick in ticks.items():
        await page.set_checked(f"#dialog input[name={name}]", tick)
    async with page.expect_response(saving) as answered:
        await page.click("#save")
    assert (await answered.value).status == 201


async def subject_of(page: Page) -> str:
    """The visitor's id, as the client keeps it."""
    kept: str = await page.evaluate("consentStore.getState().consentInfo.subjectId")
    return kept


async def waiting(page: Page) -> int:
    """How many savings the client keeps, to send them again on another page."""
    kept = await page.evaluate("localStorage.getItem('c15t-pending-consent-submissions')")
    return len(json.loads(kept or "[]"))


async def is_quiet(page: Page, stage: Stage) -> None:
    """Return once a tag that the page starts now would have been counted."""
    await page.evaluate("url => fetch(url, {mode: 'no-cors'})", f"{stage.tags.origin}/barrier.hit")


async def is_told(stage: Stage, words: str) -> None:
    """Return once the service, which looks at its catalogue every few seconds, says these words."""
    async with httpx.AsyncClient() as client:

        async def told() -> bool:
            return words in (await client.get(f"{stage.endpoint}/c15t/init")).text

        await eventually(told)
