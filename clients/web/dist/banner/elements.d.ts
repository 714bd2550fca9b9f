/** Making elements without markup, so that neither a strict policy nor Trusted Types has anything to refuse. */
type Content = Node | string | null | undefined | false;
type Attributes = Record<string, string | boolean | null | undefined>;
/** An element with attributes (true: empty, false and nothing: left out) and content. */
export declare function make<K extends keyof HTMLElementTagNameMap>(name: K, attributes?: Attributes, ...content: Content[]): HTMLElementTagNameMap[K];
/** A drawing of one line on a square of 24, in the colour of the text, that is no content. */
export declare function draw(line: string): SVGElement;
export {};
