/** `<consent-banner>`: asks where there is something to ask, and stays at hand for who changes their mind. */
import type { Consent } from '../core/index.js';
export declare const NAME = "consent-banner";
/**
 * The banner and its settings, in a shadow tree with a style sheet of its own that no policy for styles refuses.
 *
 * Nothing is shown before `consent` is set. Taken out of the page it comes back, unless `consent` was taken from it first. Attributes: `theme` light or dark instead of the browser's; `reopen="none"`
 * leaves out "Your choices", for pages that have a control of their own with the attribute `data-consent-settings`.
 */
export declare class ConsentBanner extends HTMLElement {
    #private;
    /** What it asks for; whoever has it can listen, and read what is allowed. */
    get consent(): Consent | undefined;
    set consent(consent: Consent | undefined);
    connectedCallback(): void;
    disconnectedCallback(): void;
    /** Show the settings, at one purpose where it is named: at any time, from a control of the page's own. */
    open(purpose?: string | null): Promise<void>;
}
