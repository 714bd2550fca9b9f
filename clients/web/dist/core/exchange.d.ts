import { type Shown } from './judging.js';
import type { Memory } from './memory.js';
import type { Asking, Notice, Trouble } from './types.js';
/** What comes of speaking with the service. */
export interface Outcomes {
    changed(): void;
    unrecorded(askings: Asking[]): void;
    failed(trouble: Trouble): void;
}
/** What is said between this browser and the service: choices that wait, in order; then what stands. */
export declare class Exchange {
    #private;
    /** Whether the service has told on this page what stands. */
    isTold: boolean;
    /** The notice's screens as this page fetched them last. */
    shown: Shown | null;
    constructor(endpoint: string, language: string, memory: Memory, outcomes: Outcomes);
    notice(cache?: RequestCache): Promise<Notice>;
    /** Resolved when all that waits was told, or was put off. One at a time, among all pages of the site. */
    sync(): Promise<void>;
}
