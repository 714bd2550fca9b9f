/** Words that stand outside the screens, and lists, durations and countries in the visitor's language. */
interface OwnWords {
    reopen: string;
    saved: string;
}
/** The banner's own words in the nearest language, and which language that is. */
export declare function ownWords(language: string): OwnWords & {
    language: string;
};
/** "Recipients, cookies and kept for". */
export declare function together(language: string, words: readonly string[]): string;
/** An ISO 8601 duration in words: "90 days"; what is none stays as it is. */
export declare function inWords(language: string, duration: string): string;
/** A country's name from its two letters. */
export declare function country(language: string, code: string): string;
export {};
