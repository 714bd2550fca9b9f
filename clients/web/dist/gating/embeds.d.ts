/** The address to embed: of a YouTube video the form without cookies, whatever form it was given in. */
export declare function embeddable(address: string): string;
