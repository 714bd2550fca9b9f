/**
 * Removes the cookies of these names; one that ends in `*` means all that begin so. A page can name neither path nor domain of
 * a cookie that it sees, so each that could have set it is tried. What is HttpOnly or another host's, no script can reach.
 */
export declare function removeCookies(patterns: string[], kept?: string[]): void;
