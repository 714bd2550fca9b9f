/** What the browser keeps: in localStorage, or where that is blocked for as long as the page lives. */
export interface Store {
    get(key: string): string | null;
    set(key: string, value: string | null): void;
}
export declare function openStore(): Store;
export interface CookieSettings {
    name: string;
    days: number;
    domain: string | undefined;
}
/** 144 random bits as 24 characters that need no quoting anywhere. */
export declare function random(): string;
/** The id in the visitor cookie; null where there is none, or it is none of ours. */
export declare function readVisitor(name: string): string | null;
/** Writes the cookie, or with null removes it. Whether it was kept, the next reading tells. */
export declare function writeVisitor(settings: CookieSettings, visitor: string | null): void;
