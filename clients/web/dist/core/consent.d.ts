import type { Consent, Options } from './types.js';
/** The consent of a site's visitor; one for each endpoint, however often it is asked for. */
export declare function createConsent(options: Options): Consent;
