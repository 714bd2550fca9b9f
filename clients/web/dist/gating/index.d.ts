import type { Consent } from '../core/types.js';
import { type Vendors } from './vendors.js';
export type { GoogleSignal, Vendors } from './vendors.js';
export { embeddable } from './embeds.js';
export interface GateOptions extends Vendors {
    /** What stops, for each purpose, that which has run; called at each withdrawal on a page where something did. */
    stop?: Record<string, () => void>;
    /**
     * Whether the page is loaded anew after a withdrawal where a script has run that neither a vendor named here nor `stop` can
     * stop: nothing else makes a script go away. True unless set.
     */
    reload?: boolean;
}
/**
 * Lets elements with `data-consent` do what they do only while their purposes are allowed, from now on and for those that come
 * later. Gives what ends that.
 */
export declare function gate(consent: Consent, options?: GateOptions): () => void;
