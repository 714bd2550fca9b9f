import { NO_STATE, NOTHING_SHOWN, type Copy, type Shown, type State, type Waiting } from './judging.js';
import { openStore, random, readVisitor, writeVisitor, type CookieSettings } from './store.js';
import type { Standing } from './types.js';

/** Older than this, a copy is not acted upon until the service has told what stands now. */
const TRUST_MS = 24 * 3600 * 1000;
/** How many choices wait at most; more than that nobody makes. */
const WAITING_MAX = 50;

/** What the browser remembers of a visitor. It is read anew each time, so that all pages of a site know the same. */
export class Memory {
  readonly key: string;
  readonly #cookie: CookieSettings;
  readonly #store = openStore();
  #read: [string | null, string | null] = [null, null];
  #copy: Copy = { ...NO_STATE, ...NOTHING_SHOWN };

  constructor(key: string, cookie: CookieSettings) {
    this.key = key;
    this.#cookie = cookie;
    this.recall();
  }

  copy(): Copy {
    const [state, shown] = [this.#store.get(this.key), this.#store.get(this.#shownKey)];
    if (state !== this.#read[0] || shown !== this.#read[1]) {
      this.#read = [state, shown];
      this.#copy = { ...NO_STATE, ...NOTHING_SHOWN, ...asObject(state), ...asObject(shown) };
    }
    return this.#copy;
  }

  write(change: Partial<State>): void {
    const { facts: _facts, language: _language, screens: _screens, ...state } = this.copy();
    this.#store.set(this.key, JSON.stringify({ ...state, ...change }));
  }

  /**
   * Kept apart from what stands: another page may have written that a moment ago, and browsers tell their pages of each other's
   * writing only in a while.
   */
  describe(shown: Shown): void {
    this.#store.set(this.#shownKey, JSON.stringify(shown));
  }

  /** What was chosen and is not told yet, in order. */
  waiting(): Waiting[] {
    const list = parse(this.#store.get(`${this.key}:waiting`));
    return Array.isArray(list) ? list : [];
  }

  enqueue(one: Waiting): void {
    this.#keep([...this.waiting(), one].slice(-WAITING_MAX));
    writeVisitor(this.#cookie, one.visitor);
    const chosen = Object.keys(one.body.choices);
    const { outdated } = this.copy();
    this.write({ until: this.#end(), outdated: outdated.filter((purpose) => !chosen.includes(purpose)) });
  }

  dequeue(choiceId: string): void {
    this.#keep(this.waiting().filter((one) => one.body.choice_id !== choiceId));
  }

  /** What stands, as the service has just told it. */
  take(consents: Standing[], outdated: string[] = []): void {
    const standing = Object.fromEntries(consents.map((one) => [one.purpose, one]));
    const copy = this.copy();
    this.write({
      standing,
      at: Date.now(),
      turn: copy.turn + 1,
      outdated: [...new Set([...copy.outdated, ...outdated])],
    });
  }

  /** The visitor's id, made now if there is none. */
  visitor(): string {
    const known = this.copy().visitor;
    if (known) return known;
    const visitor = random();
    writeVisitor(this.#cookie, visitor);
    this.write({ visitor, until: this.#end() });
    return visitor;
  }

  /** As if this browser had never been here. What still waits is told under the id that it was chosen under. */
  forget(): void {
    writeVisitor(this.#cookie, null);
    this.write({ visitor: null, until: 0, at: 0, standing: {}, outdated: [], turn: this.copy().turn + 1 });
  }

  /** Whether the copy is recent enough to act upon; the clock may have been set back, too. */
  isFresh(): boolean {
    return Math.abs(Date.now() - this.copy().at) < TRUST_MS;
  }

  /** The cookie says who the visitor is; where it is gone or blocked the copy does, for as long as the cookie would. */
  recall(): void {
    const { visitor, until } = this.copy();
    const own = readVisitor(this.#cookie.name);
    if (own && own !== visitor) {
      this.write({ visitor: own, until: this.#end(), at: 0, standing: {}, outdated: [] });
    } else if (!own && visitor && until <= Date.now()) this.forget();
  }

  get #shownKey(): string {
    return `${this.key}:notice`;
  }

  #keep(waiting: Waiting[]): void {
    this.#store.set(`${this.key}:waiting`, waiting.length ? JSON.stringify(waiting) : null);
  }

  #end(): number {
    return Date.now() + this.#cookie.days * 86400000;
  }
}

function asObject(text: string | null): object {
  const value = parse(text);
  return typeof value === 'object' && value !== null ? value : {};
}

function parse(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
}
