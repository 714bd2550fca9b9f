/** Our own banner: for sites that have none. */
import type { Consent } from '../core/index.js';
import { ConsentBanner, NAME } from './element.js';

export { ConsentBanner } from './element.js';

/** Make `<consent-banner>` known to the browser; once is enough, and more does no harm. */
export function defineBanner(): void {
  if (!customElements.get(NAME)) customElements.define(NAME, ConsentBanner);
}

/** The page's banner, first in the page so that the keyboard meets it first; one that stands there already is used. */
export function showBanner(consent: Consent): ConsentBanner {
  defineBanner();
  const standing = document.querySelector(NAME) as ConsentBanner | null;
  const banner = standing ?? (document.createElement(NAME) as ConsentBanner);
  banner.consent = consent;
  if (!standing) document.body.prepend(banner);
  return banner;
}

declare global {
  interface HTMLElementTagNameMap {
    'consent-banner': ConsentBanner;
  }
}
