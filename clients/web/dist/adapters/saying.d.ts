import type { Button, Choice, Consent, Layer, Notice, NoticePurpose, Said } from '../core/types.js';
/** What is to be said of each purpose that a library's switches are about, after it has saved: on or off. */
export declare function sayings(consent: Consent, notice: Notice, switches: Record<string, boolean>, isFirst: boolean): Record<string, Said>;
/** The choice as it is told, or nothing where nothing was said. */
export declare function tell(consent: Consent, layer: Layer, button: Button, choices: Choice['choices']): void;
/** What a switch can be about: a purpose that a click gives, or one that can be objected to. */
export declare function hasSwitch(one: NoticePurpose): boolean;
/** What is there without being chosen. */
export declare function isRequired(one: NoticePurpose): boolean;
