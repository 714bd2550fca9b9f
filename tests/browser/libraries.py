"""The banner libraries that there are adapters for, each on a page of its own."""

from __future__ import annotations

from tests.browser.library_site import Library

KLARO = Library(
    head="""<link rel="stylesheet" href="/npm/klaro/dist/klaro.min.css">
<script src="/npm/klaro/dist/klaro-no-css.js"></script>""",
    tags="""
<script type="text/plain" data-type="text/javascript" data-name="matomo" data-src="{tags}/matomo.js"></script>
<script type="text/plain" data-type="text/javascript" data-name="pixel" data-src="{tags}/pixel.js"></script>
""",
    script="""
import { createConsent } from '/web/core/index.js';
const consent = (window.consent = createConsent({ endpoint: 'ENDPOINT' }));
import { runKlaro } from '/web/adapters/klaro.js';
await runKlaro(consent, klaro, {CONFIG});
""",
    banner="#klaro .cookie-notice",
    settings="#klaro .cm-modal",
    accept="#klaro .cookie-notice .cm-btn-success",
    refuse="#klaro .cookie-notice .cn-decline",
    show="#klaro .cookie-notice .cn-learn-more",
    save="#klaro .cm-modal .cm-btn-accept",
    switch="#klaro .cm-modal #service-item-{purpose}",
    denied="() => !klaro.getManager({{}}).getConsent('{purpose}')",
)
#: Without `hideFromBots` it shows nothing to a browser that is driven.
COOKIECONSENT = Library(
    head='<link rel="stylesheet" href="/npm/vanilla-cookieconsent/dist/cookieconsent.css">',
    tags="""
<script type="text/plain" data-category="matomo" src="{tags}/matomo.js"></script>
<script type="text/plain" data-category="pixel" src="{tags}/pixel.js"></script>
""",
    script="""
import { createConsent } from '/web/core/index.js';
const consent = (window.consent = createConsent({ endpoint: 'ENDPOINT' }));
import * as CookieConsent from '/npm/vanilla-cookieconsent/dist/cookieconsent.esm.js';
import { runCookieConsent } from '/web/adapters/vanilla-cookieconsent.js';
window.CookieConsent = CookieConsent;
await runCookieConsent(consent, CookieConsent, {hideFromBots: false CONFIG} OPTIONS);
""",
    banner="#cc-main .cm",
    settings="#cc-main .pm",
    accept="#cc-main .cm [data-role=all]",
    refuse="#cc-main .cm [data-role=necessary]",
    show="#cc-main .cm [data-role=show]",
    save="#cc-main .pm [data-role=save]",
    switch="#cc-main .pm input[value='{purpose}']",
    denied="() => !CookieConsent.acceptedCategory('{purpose}')",
)
