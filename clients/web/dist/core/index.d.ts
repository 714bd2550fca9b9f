export type * from './types.js';
export { createConsent } from './consent.js';
