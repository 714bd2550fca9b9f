/** Our own banner: for sites that have none. */
import type { Consent } from '../core/index.js';
import { ConsentBanner } from './element.js';
export { ConsentBanner } from './element.js';
/** Make `<consent-banner>` known to the browser; once is enough, and more does no harm. */
export declare function defineBanner(): void;
/** The page's banner, first in the page so that the keyboard meets it first; one that stands there already is used. */
export declare function showBanner(consent: Consent): ConsentBanner;
declare global {
    interface HTMLElementTagNameMap {
        'consent-banner': ConsentBanner;
    }
}
