import type { Consent } from '../core/types.js';
/** Says in a frame's place what would be there, and leads to the settings. It takes the frame's size, so that nothing moves. */
export declare function placePlaceholder(consent: Consent, frame: HTMLIFrameElement, purpose: string): void;
export declare function removePlaceholder(frame: HTMLIFrameElement): void;
