import type { Consent } from '../core/types.js';
import { removeCookies } from './cookies.js';
import { hold, isScript, isWaiting, purposesOf, run, show } from './elements.js';
import { placePlaceholder, removePlaceholder } from './placeholder.js';
import { denyFirst, stopsByVendor, tellVendors, type Vendors } from './vendors.js';

export type { GoogleSignal, Vendors } from './vendors.js';
export { embeddable } from './embeds.js';

export interface GateOptions extends Vendors {
  /** What stops, for each purpose, that which has run; called at each withdrawal on a page where something did. */
  stop?: Record<string, () => void>;
  /**
   * Whether the page is loaded anew after a withdrawal where a script has run that neither a vendor named here nor `stop` can
   * stop: nothing else makes a script go away. True unless set.
   */
  reload?: boolean;
}

/**
 * Lets elements with `data-consent` do what they do only while their purposes are allowed, from now on and for those that come
 * later. Gives what ends that.
 */
export function gate(consent: Consent, options: GateOptions = {}): () => void {
  const gating = new Gating(consent, options);
  return () => gating.end();
}

class Gating {
  readonly #consent: Consent;
  readonly #options: GateOptions;
  /** Scripts of the same purposes follow each other as they stand in the page. */
  readonly #lines = new Map<string, Promise<void>>();
  /** Purposes that a script has run for on this page. */
  readonly #ran = new Set<string>();
  readonly #queued = new WeakSet<Element>();
  /** Purposes that elements wait for, each looked up once. */
  readonly #awaited = new Set<string>();
  readonly #observer = new MutationObserver((mutations) => this.#added(mutations));
  readonly #ends: () => void;
  #allowed = new Set<string>();
  #isEnded = false;

  constructor(consent: Consent, options: GateOptions) {
    this.#consent = consent;
    this.#options = options;
    denyFirst(options);
    this.#observer.observe(document.documentElement, { childList: true, subtree: true });
    this.#ends = consent.on('change', () => this.#judge());
    void consent.ready.then(() => this.#judge());
    this.#judge();
    this.#apply(document.documentElement);
  }

  end(): void {
    this.#isEnded = true;
    this.#observer.disconnect();
    this.#ends();
  }

  /** Act on what is allowed now and was not before, or the other way round. */
  #judge(): void {
    if (this.#isEnded) return;
    const standing = this.#consent.standing();
    // Once for all of them: the first tag waits for it.
    const allowed = new Set(Object.keys(standing).filter((purpose) => standing[purpose]?.permission.allowed));
    const before = this.#allowed;
    this.#allowed = allowed;
    const changed = new Set([...allowed, ...before].filter((one) => allowed.has(one) !== before.has(one)));
    tellVendors(this.#options, changed, (purpose) => allowed.has(purpose));
    this.#clean(Object.keys(standing));
    if (!changed.size) return;
    this.#apply(document.documentElement);
    const stopped = [...changed].filter((purpose) => !allowed.has(purpose) && this.#ran.has(purpose));
    let isUnstopped = false;
    for (const purpose of stopped) {
      const stop = this.#options.stop?.[purpose];
      if (stop) stop();
      else if (!stopsByVendor(this.#options, purpose)) isUnstopped = true;
    }
    if (isUnstopped && this.#options.reload !== false) location.reload();
  }

  /** What a purpose that is not allowed has left behind, on this page or an earlier one. */
  #clean(purposes: string[]): void {
    const cookies = this.#consent.cookies();
    const of = (isAllowed: boolean): string[] =>
      purposes.filter((one) => this.#allowed.has(one) === isAllowed).flatMap((one) => cookies[one] ?? []);
    removeCookies(of(false), of(true));
  }

  #added(mutations: MutationRecord[]): void {
    for (const { addedNodes } of mutations) {
      for (const node of addedNodes) if (node instanceof Element) this.#apply(node);
    }
  }

  #apply(root: Element): void {
    if (root.hasAttribute('data-consent')) this.#applyTo(root);
    for (const element of root.querySelectorAll('[data-consent]')) this.#applyTo(element);
  }

  #applyTo(element: Element): void {
    const purposes = purposesOf(element);
    const missing = purposes.find((purpose) => !this.#allowed.has(purpose));
    for (const purpose of purposes) void this.#lookUp(purpose);
    if (isScript(element)) {
      if (isWaiting(element) && purposes.length && !missing) this.#queue(element, purposes);
      return;
    }
    if (purposes.length && !missing) {
      if (element instanceof HTMLIFrameElement) removePlaceholder(element);
      show(element);
      return;
    }
    const held = hold(element);
    if (held instanceof HTMLIFrameElement && missing) placePlaceholder(this.#consent, held, missing);
  }

  /** Tell whoever makes the page of a name that no purpose has: what waits for it would else stay away without a word. */
  async #lookUp(purpose: string): Promise<void> {
    if (this.#allowed.has(purpose) || this.#awaited.has(purpose)) return;
    this.#awaited.add(purpose);
    await this.#consent.ready;
    try {
      const isKnown = (): boolean => Object.hasOwn(this.#consent.standing(), purpose);
      // What the browser remembers may be older than the purpose.
      if (isKnown() || (await this.#consent.notice()).purposes.some((one) => one.purpose === purpose) || isKnown()) return;
      console.warn(`consent: this site has no purpose "${purpose}", so what waits for it never runs.`);
    } catch {
      // Without the notice nobody knows.
    }
  }

  #queue(script: HTMLScriptElement, purposes: string[]): void {
    if (this.#queued.has(script)) return;
    this.#queued.add(script);
    const line = purposes.join(' ');
    const before = this.#lines.get(line);
    const start = (): Promise<void> | void => {
      this.#queued.delete(script);
      // It may have been withdrawn, or the script taken away, while the one before was loading.
      if (!script.isConnected || !purposes.every((one) => this.#allowed.has(one))) return;
      for (const purpose of purposes) this.#ran.add(purpose);
      return run(script);
    };
    // Where none is before it, it runs in this very task: nothing that is allowed waits.
    const after = before ? before.then(start) : start();
    if (!after) return;
    this.#lines.set(line, after);
    void after.then(() => {
      if (this.#lines.get(line) === after) this.#lines.delete(line);
    });
  }
}
