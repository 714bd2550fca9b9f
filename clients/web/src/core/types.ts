/** What of a purpose can be said. */
export type Said = 'given' | 'refused' | 'withdrawn' | 'deferred';

/** How it was said; evidence of its own. Nothing can be given with those that do not accept. */
export type Button = 'accept_all' | 'refuse_all' | 'settings' | 'save' | 'close' | 'withdraw';

/** `banner` is the first screen, `settings` the one with a switch for each purpose. */
export type Layer = 'banner' | 'settings';

export interface Options {
  /** The site's address at the service: `https://consent.example.no/site/v1/ansettr-web`. */
  endpoint: string;
  /** A BCP 47 tag; without it the page's own, else what the browser prefers. */
  language?: string;
  cookie?: {
    /** Without it `consent_` and the site's key, so that no two sites share a visitor. */
    name?: string;
    /** How long the id is kept after it was last used in a choice; 365 unless set. */
    days?: number;
    /** `example.no`, where `www.example.no` and `jobs.example.no` are to share a visitor. */
    domain?: string;
  };
}

/** What was chosen before a screen. `screenHash` and `language` are the notice's unless the site registered a screen of its own. */
export interface Choice {
  layer: Layer;
  button?: Button;
  choices: Record<string, Said>;
  screenHash?: string;
  language?: string;
}

/** Whether a purpose may be pursued for this visitor, and why. Moments are RFC 3339. */
export interface Permission {
  allowed: boolean;
  reason: string;
  status: string;
  version: number | null;
  until: string | null;
}

/** What stands for a purpose, as GET consents tells it. */
export interface Standing {
  purpose: string;
  status: string;
  version: number | null;
  since: string | null;
  ask_again_at: string | null;
  permission: Permission;
}

/** The answer of GET notice, word for word; the service's /schema explains each member. */
export interface Notice {
  site: string;
  controller: string;
  language: string;
  languages: string[];
  screen_hash: string;
  /** The banner's own words: `title`, `introduction`, and by the names of buttons. */
  texts: Record<string, string>;
  layers: { layer: Layer; buttons: Button[]; screen_hash: string }[];
  purposes: NoticePurpose[];
  links: {
    contacts: { type: string; value: string; use?: string | null }[];
    complaint: string | null;
  };
}

export interface NoticePurpose {
  purpose: string;
  version: number;
  language: string;
  notice_hash: string;
  notice: { name: string; description: string; [more: string]: unknown };
  /** What may be said; empty where there is nothing to choose. Without `given` it takes more than a click. */
  choices: Said[];
  /** How it stands until something is said. */
  allowed_by_default: boolean;
  legal_bases: string[];
  confirmation: string;
  shares_or_sells: boolean;
  recipients: { slug: string; name: string; role: string; [more: string]: unknown }[];
  transfers: Record<string, unknown>[];
  data_categories: string[];
  retention: Record<string, unknown>[];
  renew_after: string | null;
  ask_again_after: Record<string, string | null>;
  /** `name` may end in `*`. `lifetime` is an ISO 8601 duration. */
  cookies: { name: string; provider?: string | null; lifetime?: string | null; [more: string]: unknown }[];
}

/** A purpose to ask about, and why: `unasked`, or why a choice was not recorded. */
export interface Asking {
  purpose: string;
  reason: 'unasked' | 'outdated' | 'confirmation_needed';
}

/** What went wrong between the browser and the service. Nothing is allowed by it that was not allowed before. */
export interface Trouble {
  /** The HTTP status; 0 where there was no answer. */
  status: number;
  /** The problem's `type`, where there was one: `/problems/foreign-origin`. */
  type: string | null;
  detail: string;
  /** Whether it will be tried again. */
  again: boolean;
}

export interface Heard {
  /** The purposes of which something is different now, whether allowed or not. */
  change: (purposes: string[]) => void;
  /** A banner has to be shown, or, for `confirmation_needed`, the visitor has to sign up with an address. */
  ask: (askings: Asking[]) => void;
  /** Somebody wants to see the settings: a link in the footer, a placeholder. Whoever shows them listens. */
  settings: (purpose: string | null) => void;
  error: (trouble: Trouble) => void;
}

export interface Consent {
  /** Resolved when the visitor's state is known: at once where there is a local copy, never while nothing is known. */
  readonly ready: Promise<void>;
  /** Whether a purpose may be pursued now. False until known. */
  allows(purpose: string): boolean;
  /** The site's notice, fetched once a page. Rejects where it cannot be had; asked again, it tries again. */
  notice(): Promise<Notice>;
  /** What stands for each purpose; empty until known. */
  standing(): Readonly<Record<string, Standing>>;
  /** The names of each purpose's cookies, as the notice told them; one that ends in `*` means all that begin so. */
  cookies(): Readonly<Record<string, string[]>>;
  /** Whether a banner has to be shown. False until known. */
  mustAsk(): boolean;
  /**
   * Applied here at once, then told to the service. Resolved when it was told, or is kept to be told later.
   * Rejects only where nothing is known of what was on screen.
   */
  choose(choice: Choice): Promise<void>;
  /** Ask whoever shows the settings to do so, for a purpose or all. */
  openSettings(purpose?: string): void;
  /** The visitor's id, made now if there is none: for a back end that links it to somebody who logs in. */
  visitor(): string;
  /** Begin anew as somebody else (409 `identifier-taken`): another id, nothing known. Gives the new id. */
  renewVisitor(): string;
  /** Calls `heard` each time; gives what stops that. */
  on<E extends keyof Heard>(event: E, heard: Heard[E]): () => void;
}
