/** Google's signals of consent mode; those of the first line are always set, for an unset one is not a denied one. */
export type GoogleSignal = 'ad_storage' | 'ad_user_data' | 'ad_personalization' | 'analytics_storage' | 'functionality_storage' | 'personalization_storage' | 'security_storage';
export interface Vendors {
    /** The purpose that Matomo runs under. */
    matomo?: string;
    /** The purpose that the Meta pixel runs under. */
    meta?: string;
    /** For each purpose the signals of Google Consent Mode v2 that it grants. One is granted when all its purposes are. */
    google?: Record<string, GoogleSignal[]>;
}
/** Before any tag: nothing is granted. */
export declare function denyFirst(vendors: Vendors): void;
/** Tell those vendors whose purposes are among the changed ones. */
export declare function tellVendors(vendors: Vendors, changed: Set<string>, allows: (purpose: string) => boolean): void;
/** Whether one of them stops by itself what it has started for the purpose. */
export declare function stopsByVendor(vendors: Vendors, purpose: string): boolean;
