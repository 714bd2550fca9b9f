import type { Trouble } from './types.js';
/** An answer of the service; `status` 0 where there was none. `waitS` is what Retry-After said. */
export interface Answer {
    status: number;
    body: any;
    waitS: number | null;
}
export declare function call(url: string, init?: RequestInit): Promise<Answer>;
/** Whether the same may be answered otherwise later: what the site's own set-up can mend is among it. */
export declare function isPassing(status: number): boolean;
export declare function trouble(answer: Answer, again: boolean): Trouble;
