/** Google's signals of consent mode; those of the first line are always set, for an unset one is not a denied one. */
export type GoogleSignal =
  | 'ad_storage'
  | 'ad_user_data'
  | 'ad_personalization'
  | 'analytics_storage'
  | 'functionality_storage'
  | 'personalization_storage'
  | 'security_storage';

export interface Vendors {
  /** The purpose that Matomo runs under. */
  matomo?: string;
  /** The purpose that the Meta pixel runs under. */
  meta?: string;
  /** For each purpose the signals of Google Consent Mode v2 that it grants. One is granted when all its purposes are. */
  google?: Record<string, GoogleSignal[]>;
}

type Calls = { push(...calls: unknown[]): unknown };
interface VendorWindow {
  _paq?: Calls;
  fbq?: (...call: unknown[]) => void;
  dataLayer?: unknown[];
  gtag?: (...call: unknown[]) => void;
}

const GOOGLE: GoogleSignal[] = ['ad_storage', 'ad_user_data', 'ad_personalization', 'analytics_storage'];
const GOOGLE_WAITS_MS = 500;
/** Without it Matomo remembers a withdrawal in a cookie of thirty years. */
const MATOMO_HOURS = 365 * 24;

/** Before any tag: nothing is granted. */
export function denyFirst(vendors: Vendors): void {
  if (vendors.matomo) matomo('requireConsent');
  if (vendors.google) {
    gtag('consent', 'default', { ...google(vendors.google, () => false), wait_for_update: GOOGLE_WAITS_MS });
  }
}

/** Tell those vendors whose purposes are among the changed ones. */
export function tellVendors(vendors: Vendors, changed: Set<string>, allows: (purpose: string) => boolean): void {
  if (vendors.matomo && changed.has(vendors.matomo)) {
    if (allows(vendors.matomo)) matomo('setConsentGiven');
    else {
      matomo('forgetConsentGiven', MATOMO_HOURS);
      // Where cookies are disabled, some versions do nothing on the call before.
      matomo('requireConsent');
    }
  }
  if (vendors.meta && changed.has(vendors.meta)) {
    (window as VendorWindow).fbq?.('consent', allows(vendors.meta) ? 'grant' : 'revoke');
  }
  if (vendors.google && Object.keys(vendors.google).some((purpose) => changed.has(purpose))) {
    gtag('consent', 'update', google(vendors.google, allows));
  }
}

/** Whether one of them stops by itself what it has started for the purpose. */
export function stopsByVendor(vendors: Vendors, purpose: string): boolean {
  return purpose === vendors.matomo || purpose === vendors.meta || purpose in (vendors.google ?? {});
}

function matomo(...call: unknown[]): void {
  const own = window as VendorWindow;
  own._paq ??= [];
  own._paq.push(call);
}

function gtag(...call: unknown[]): void {
  const own = window as VendorWindow;
  const layer = (own.dataLayer ??= []);
  own.gtag ??= function () {
    // Google reads `arguments` themselves, and takes no array for them.
    layer.push(arguments);
  };
  own.gtag(...call);
}

function google(purposes: Record<string, GoogleSignal[]>, allows: (purpose: string) => boolean): Record<string, string> {
  const signals: Record<string, string> = {};
  for (const signal of new Set([...GOOGLE, ...Object.values(purposes).flat()])) {
    const asking = Object.keys(purposes).filter((purpose) => purposes[purpose]?.includes(signal));
    signals[signal] = asking.length > 0 && asking.every(allows) ? 'granted' : 'denied';
  }
  return signals;
}
