import { createConsent } from './core/index.js';

export { createConsent };
