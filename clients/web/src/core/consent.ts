import type { Consent, Options } from './types.js';

export function createConsent(_options: Options): Consent {
  throw new Error('not yet');
}
