"""A site's pages with our own banner, as strict as a page can be, and what a visitor does on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from playwright.async_api import Locator, Page, Response

from consent_service.domain.catalogue import CatalogueEntries, ControllerEntry, PurposeEntry, SiteEntry
from consent_service.domain.purposes import (
    AskAgainAfter,
    Confirmation,
    Cookie,
    NoticeText,
    Recipient,
    Retention,
)
from consent_service.domain.values import Basis
from tests.browser.stage import SITE, Stage, load

#: A second site of the stage's controller, in three languages, with one purpose of each kind that is shown differently.
SITE_OF_ALL_KINDS = "ansettr-kinds"
#: Nothing of a page's own, no style that is written into it, no text that becomes code.
STRICT = (
    "default-src 'none'; script-src {service}; connect-src {service}; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'"
)
#: Started before anything of the page: what a policy refused, and by how much anything moved.
WATCH = """
window.refused = [];
addEventListener('securitypolicyviolation', (event) => refused.push(`${event.effectiveDirective} ${event.blockedURI}`));
window.moved = 0;
new PerformanceObserver((list) => list.getEntries().forEach((one) => (moved += one.value)))
  .observe({ type: 'layout-shift', buffered: true });
"""
_PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ansettr</title>{head}
<script src="{src}" integrity="{integrity}" crossorigin="anonymous" data-endpoint="{endpoint}" {data}></script>
</head><body><main><h1>Ansettr</h1><p><a id="first" href="#last">Vacancies</a></p>{body}
<p><a id="last" href="#first">Back</a></p></main></body></html>"""


class BannerPage:
    """One tab on a page of the site. Playwright sees into the banner's shadow as a person does."""

    def __init__(self, stage: Stage, page: Page) -> None:
        self.stage = stage
        self.page = page
        self.banner = page.locator("consent-banner .banner")
        self.settings = page.locator("consent-banner dialog")
        self.reopen = page.locator("consent-banner .reopen")
        self.said = page.locator("consent-banner [role=status]")

    async def open(
        self,
        lang: str = "en",
        *,
        site: str = SITE,
        body: str = "",
        head: str = "",
        data: str = "",
        policy: str = STRICT,
        path: str = "/",
        **headers: str,
    ) -> None:
        service = self.stage.service.url
        async with httpx.AsyncClient() as client:
            told = (await client.get(f"{service}/web")).json()
        html = _PAGE.format(
            lang=lang, head=head, body=body, data=data, endpoint=f"{service}/site/v1/{site}", **told
        )
        kept_to = policy.format(service=service)
        address = self.stage.web.page(path, html, Content_Security_Policy=kept_to, **headers)
        await self.page.add_init_script(WATCH)
        await self.page.goto(address)

    def button(self, layer: Locator, name: str) -> Locator:
        return layer.locator(f"[data-button={name}]")

    def switch(self, purpose: str) -> Locator:
        return self.settings.locator(f"input[value={purpose}]")

    async def told(self, act: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
        """Do it, wait for the service's answer, and give what was posted."""
        async with self.page.expect_response(_is_choice) as answer:
            await act()
        response = await answer.value
        assert response.status == 201, await response.text()
        posted: Any = response.request.post_data_json
        return dict(posted)

    async def all_told(self) -> None:
        """Return once the browser has nothing to tell any more."""
        await self.page.wait_for_function(
            "() => localStorage.getItem('consent:ansettr-web:waiting') === null"
        )

    async def visitor(self) -> str:
        visitor: str = await self.page.evaluate("consent.visitor()")
        return visitor

    async def allowed(self) -> list[str]:
        found: list[str] = await self.page.evaluate(
            "consent.ready.then(() => Object.keys(consent.standing()).filter((one) => consent.allows(one)))"
        )
        return found

    async def focused(self) -> str:
        """What has the focus: the button's name, the purpose of a switch, else the element's id, class or name."""
        found: str = await self.page.evaluate(
            """() => {
              let one = document.activeElement;
              while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
              return one.dataset.button ?? (one.value || one.id || one.className || one.localName);
            }"""
        )
        return found

    async def tab(self, times: int = 1) -> list[str]:
        """Press the key that often, and give what had the focus after each."""
        met = []
        for _ in range(times):
            await self.page.keyboard.press("Tab")
            met.append(await self.focused())
        return met


def _is_choice(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/consents")


def _texts(nb: str, nn: str, en: str) -> dict[str, NoticeText]:
    return {
        "nb": NoticeText(nb, f"{nb}: vi bruker opplysninger om deg til dette, og sletter dem etterpå."),
        "nn": NoticeText(nn, f"{nn}: vi bruker opplysningar om deg til dette, og slettar dei etterpå."),
        "en": NoticeText(en, f"{en}: we use information about you for this, and delete it afterwards."),
    }


ALL_KINDS = (
    PurposeEntry(
        slug="kinds-analytics",
        legal_bases=(Basis.CONSENT,),
        notices=_texts("Statistikk", "Statistikk", "Statistics"),
        recipients=(Recipient("matomo", "Matomo", "tool", country="NL"),),
        cookies=(Cookie("_pk_id*", "Matomo", "P13M"), Cookie("_pk_ses*", "Matomo", "PT30M")),
        retention=(Retention("collected", "P2Y"),),
        ask_again_after=AskAgainAfter("P6M", "P7D"),
    ),
    PurposeEntry(
        slug="kinds-pixel",
        legal_bases=(Basis.CONSENT,),
        notices=_texts("Annonser", "Annonsar", "Advertisements"),
        recipients=(Recipient("meta", "Meta", "third_party"),),
        shares_or_sells=True,
    ),
    PurposeEntry(
        slug="kinds-newsletter",
        legal_bases=(Basis.CONSENT,),
        confirmation=Confirmation.DOUBLE_OPT_IN,
        notices=_texts("Nyhetsbrev", "Nyheitsbrev", "Newsletter"),
    ),
    PurposeEntry(
        slug="kinds-security",
        legal_bases=(Basis.LEGITIMATE_INTERESTS,),
        notices=_texts("Sikkerhet", "Tryggleik", "Security"),
    ),
    PurposeEntry(
        slug="kinds-orders",
        legal_bases=(Basis.CONTRACT,),
        notices=_texts("Bestillinger", "Tingingar", "Orders"),
    ),
)


async def add_site_of_all_kinds(stage: Stage) -> None:
    site = SiteEntry(SITE_OF_ALL_KINDS, (stage.web.origin,), tuple(one.slug for one in ALL_KINDS))
    controller = ControllerEntry(slug="ansettr", legal_name="Ansettr AS", complaint="Datatilsynet")
    prefix = stage.changes.removesuffix(".changes.v1")
    await load(
        stage.database, CatalogueEntries(controller=controller, sites=(site,), purposes=ALL_KINDS), prefix
    )
