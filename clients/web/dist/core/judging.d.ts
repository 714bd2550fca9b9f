import type { Asking, Layer, Notice, Said, Standing } from './types.js';
/** What is kept of a notice's purpose: enough to judge without it. */
export interface Facts {
    choices: Said[];
    allowed: boolean;
    sells: boolean;
    cookies: string[];
}
/** A choice as it is posted. */
export interface ChoiceBody {
    choice_id: string;
    language: string;
    screen_hash: string;
    layer: Layer;
    choices: Record<string, Said>;
    button?: string;
    path?: string;
    occurred_at: string;
}
/** A choice that waits to be told. */
export interface Waiting {
    visitor: string;
    body: ChoiceBody;
}
/** What the browser remembers of the visitor between pages. Moments are milliseconds since 1970. */
export interface State {
    visitor: string | null;
    /** When all of this is to be forgotten. */
    until: number;
    /** When the service last told what stands. */
    at: number;
    /** Goes up whenever what stands is written, so that an answer that was overtaken is seen to be. */
    turn: number;
    standing: Record<string, Standing>;
    /** What was chosen on a screen that did not hold any more. */
    outdated: string[];
    /** Until when the service asked not to be asked (Retry-After). */
    pause: number;
}
/** What it remembers of the notice. */
export interface Shown {
    facts: Record<string, Facts>;
    language: string;
    screens: Partial<Record<Layer, string>>;
}
export type Copy = State & Shown;
export declare const NO_STATE: State;
export declare const NOTHING_SHOWN: Shown;
export declare function shownBy(notice: Notice): Shown;
/**
 * What stands for each purpose now: as the service told it, or by default where it told nothing; what has ended since;
 * and on top of it what was chosen here and waits to be told. `signal`: the browser asks not to sell or share (GPC).
 */
export declare function judge(copy: Copy, waiting: Waiting[], signal: boolean, now: number): Record<string, Standing>;
/** What a banner has to ask about now: only what a click can give. */
export declare function askings(copy: Copy, standing: Record<string, Standing>, now: number): Asking[];
