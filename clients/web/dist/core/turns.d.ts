/**
 * Runs it while no other page of the site runs it. Where that cannot be arranged, or takes too long, it runs all the same:
 * the service takes each choice once.
 */
export declare function inTurn(key: string, run: () => Promise<void>): Promise<void>;
