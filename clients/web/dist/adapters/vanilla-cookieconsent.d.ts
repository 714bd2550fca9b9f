import type { Category, CookieConsentConfig } from 'vanilla-cookieconsent';
import type { Consent } from '../core/types.js';
/** What is used of the library: the module itself, `import * as CookieConsent from 'vanilla-cookieconsent'`. */
export type Library = Pick<typeof import('vanilla-cookieconsent'), 'run' | 'reset' | 'acceptCategory' | 'acceptService' | 'acceptedCategory' | 'acceptedService' | 'getUserPreferences' | 'showPreferences' | 'validConsent'>;
/** The library's own configuration but for its texts, which come from the notice. */
export interface Config extends Omit<CookieConsentConfig, 'language' | 'categories' | 'revision'> {
    /** Without them each purpose is a category. */
    categories?: Record<string, Category>;
}
export interface AdapterOptions {
    /**
     * The purposes of each category. Not needed where a category is named as its purpose is, or has services that are: then each
     * service is a purpose.
     */
    purposes?: Record<string, string[]>;
}
/** Runs the library as the banner of this consent: it shows the notice, and what is chosen in it is told. */
export declare function runCookieConsent(consent: Consent, library: Library, config?: Config, options?: AdapterOptions): Promise<void>;
