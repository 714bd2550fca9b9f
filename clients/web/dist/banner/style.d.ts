/** The banner's look. A site sets the properties `--consent-…`; the rest follows from them. */
export declare const STYLE: string;
