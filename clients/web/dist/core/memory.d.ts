import { type Copy, type Shown, type State, type Waiting } from './judging.js';
import { type CookieSettings } from './store.js';
import type { Standing } from './types.js';
/** What the browser remembers of a visitor. It is read anew each time, so that all pages of a site know the same. */
export declare class Memory {
    #private;
    readonly key: string;
    constructor(key: string, cookie: CookieSettings);
    copy(): Copy;
    write(change: Partial<State>): void;
    /**
     * Kept apart from what stands: another page may have written that a moment ago, and browsers tell their pages of each other's
     * writing only in a while.
     */
    describe(shown: Shown): void;
    /** What was chosen and is not told yet, in order. */
    waiting(): Waiting[];
    enqueue(one: Waiting): void;
    dequeue(choiceId: string): void;
    /** What stands, as the service has just told it. */
    take(consents: Standing[], outdated?: string[]): void;
    /** The visitor's id, made now if there is none. */
    visitor(): string;
    /** As if this browser had never been here. What still waits is told under the id that it was chosen under. */
    forget(): void;
    /** Whether the copy is recent enough to act upon; the clock may have been set back, too. */
    isFresh(): boolean;
    /** The cookie says who the visitor is; where it is gone or blocked the copy does, for as long as the cookie would. */
    recall(): void;
}
