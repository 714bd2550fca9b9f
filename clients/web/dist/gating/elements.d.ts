/** Purposes of an element: `data-consent="one"`, or several, all of which are needed. */
export declare function purposesOf(element: Element): string[];
export declare function isScript(element: Element): element is HTMLScriptElement;
/** Whether it waits: a script that has run, and one that was never held back, do not. */
export declare function isWaiting(script: HTMLScriptElement): boolean;
/**
 * Puts a script that runs in the place of one that does not. Resolved when the next may follow it: those with an address have run,
 * or failed; `async` ones are not waited for.
 */
export declare function run(held: HTMLScriptElement): Promise<void>;
/** Lets a frame, an image or a style sheet fetch what it holds back. */
export declare function show(element: Element): void;
/** The opposite. Gives the element that is there now: a frame stops only where another takes its place. */
export declare function hold(element: Element): Element;
