"""A site's page with tags that wait for consent, and a server of tags that counts what it is asked for."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page

from tests.browser.banner_site import BannerPage
from tests.browser.stage import Stage

#: What a page of the site has: two scripts by address, one that is written out, a picture and a frame.
TAGS = """
<script type="text/plain" data-consent="matomo" data-consent-src="{tags}/matomo.js"></script>
<script type="text/plain" data-consent="pixel" src="{tags}/pixel.js"></script>
<script type="text/plain" data-consent="profile">fetch('{tags}/profile.hit', {{mode: 'no-cors'}}).catch(() => 0)</script>
<img alt="" data-consent="pixel" data-consent-src="{tags}/pixel.gif">
<iframe title="A film" data-consent="profile" data-consent-src="{tags}/film" width="300" height="150"></iframe>
"""
OF_MATOMO = {"/matomo.js", "/matomo.hit"}
OF_PIXEL = {"/pixel.js", "/pixel.hit", "/pixel.gif"}
OF_PROFILE = {"/profile.hit", "/film"}
_MARK = "/mark"


class TaggedPage(BannerPage):
    """One tab on a page with tags; `asked` tells which of them were fetched or ran."""

    def __init__(self, stage: Stage, page: Page) -> None:
        super().__init__(stage, page)
        self.tags = stage.tags
        self.tags.forget()

    async def visit(
        self, tags: str = TAGS, *, data: str = "", policy: str = "", path: str = "/", **headers: str
    ) -> None:
        body = tags.format(tags=self.tags.origin)
        await self.open(body=body, data=data, policy=policy, path=path, **headers)

    async def asked(self) -> set[str]:
        """The paths that the tags' server was asked for, once everything has come that is on its way by now.

        Only where the visitor's state is known.
        """
        await self.page.evaluate("consent.ready")
        await self.page.evaluate("url => fetch(url, {mode: 'no-cors'})", self.tags.origin + _MARK)
        return set(self.tags.asked) - {_MARK}

    async def ran(self, *paths: str) -> None:
        """Return once the tags' server was asked for all of them."""
        await asyncio.gather(*(self.tags.was_asked(path) for path in paths))

    async def choose(self, **on: bool) -> None:
        """Set these switches in the settings, from the banner or afterwards, and save."""
        shown = self.button(self.banner, "settings")
        await shown.or_(self.reopen).locator("visible=true").click()
        for purpose, wanted in on.items():
            await self.switch(purpose).set_checked(wanted)
        await self.button(self.settings, "save").click()

    async def stops(self, purpose: str) -> None:
        """Return as soon as the page does not allow it any more; the page may be loaded anew meanwhile."""
        await self.page.wait_for_function("one => window.consent && !consent.allows(one)", arg=purpose)
