import { Exchange } from './exchange.js';
import { askings, judge, type ChoiceBody, type Waiting } from './judging.js';
import { Memory } from './memory.js';
import { random } from './store.js';
import type { Asking, Choice, Consent, Heard, Notice, Options, Standing } from './types.js';

const DAYS = 365;
const PATH_LENGTH_MAX = 1024;

const made = new Map<string, Consent>();

/** The consent of a site's visitor; one for each endpoint, however often it is asked for. */
export function createConsent(options: Options): Consent {
  const endpoint = options.endpoint.replace(/\/+$/, '');
  const consent = made.get(endpoint) ?? new SiteConsent(endpoint, options);
  made.set(endpoint, consent);
  return consent;
}

class SiteConsent implements Consent {
  readonly ready: Promise<void>;
  readonly #memory: Memory;
  readonly #exchange: Exchange;
  readonly #heard: { [E in keyof Heard]: Set<Heard[E]> } = {
    change: new Set(),
    ask: new Set(),
    settings: new Set(),
    error: new Set(),
  };
  #becomeReady!: () => void;
  /** What listeners were told, by purpose. */
  #told: Record<string, string> = {};
  #isAsking = false;

  constructor(endpoint: string, options: Options) {
    const site = endpoint.slice(endpoint.lastIndexOf('/') + 1);
    const { name = `consent_${site}`, days = DAYS, domain } = options.cookie ?? {};
    const language = options.language || document.documentElement.lang;
    this.ready = new Promise((resolve) => (this.#becomeReady = resolve));
    this.#memory = new Memory(`consent:${site}`, { name, days, domain });
    this.#exchange = new Exchange(endpoint, language, this.#memory, {
      changed: () => this.#tell(),
      unrecorded: (askings) => this.#unrecorded(askings),
      failed: (trouble) => this.#emit('error', trouble),
    });
    this.#tell();
    this.#listen();
    void this.#exchange.sync();
  }

  allows(purpose: string): boolean {
    return this.standing()[purpose]?.permission.allowed ?? false;
  }

  standing(): Readonly<Record<string, Standing>> {
    if (!this.#isKnown()) return {};
    return judge(this.#memory.copy(), this.#memory.waiting(), hasSignal(), Date.now());
  }

  cookies(): Readonly<Record<string, string[]>> {
    const { facts } = this.#memory.copy();
    return Object.fromEntries(Object.entries(facts).map(([purpose, { cookies }]) => [purpose, cookies]));
  }

  mustAsk(): boolean {
    return this.#askings().length > 0;
  }

  notice(): Promise<Notice> {
    return this.#exchange.notice();
  }

  async choose(choice: Choice): Promise<void> {
    // What this page fetched is what it showed; another page of the site may have fetched something newer since.
    let shown = this.#exchange.shown ?? this.#memory.copy();
    if (!choice.screenHash && !shown.screens[choice.layer]) {
      await this.notice();
      shown = this.#memory.copy();
    }
    const body: ChoiceBody = {
      choice_id: random(),
      language: choice.language ?? shown.language,
      screen_hash: choice.screenHash ?? shown.screens[choice.layer] ?? '',
      layer: choice.layer,
      choices: { ...choice.choices },
      path: location.pathname.slice(0, PATH_LENGTH_MAX),
      occurred_at: new Date().toISOString(),
    };
    if (choice.button) body.button = choice.button;
    const one = { visitor: this.#memory.visitor(), body };
    // The second click of two says nothing that the first has not said.
    if (!isSame(this.#memory.waiting().at(-1), one)) {
      this.#memory.enqueue(one);
      this.#tell();
    }
    await this.#exchange.sync();
  }

  openSettings(purpose?: string): void {
    this.#emit('settings', purpose ?? null);
  }

  visitor(): string {
    return this.#memory.visitor();
  }

  renewVisitor(): string {
    this.#memory.forget();
    const visitor = this.#memory.visitor();
    this.#exchange.isTold = false;
    this.#tell();
    void this.#exchange.sync();
    return visitor;
  }

  on<E extends keyof Heard>(event: E, heard: Heard[E]): () => void {
    this.#heard[event].add(heard);
    return () => void this.#heard[event].delete(heard);
  }

  #listen(): void {
    const anew = (): void => {
      this.#memory.recall();
      this.#exchange.isTold = false;
      this.#tell();
      void this.#exchange.sync();
    };
    addEventListener('storage', ({ key }) => {
      // Without a key, all was cleared.
      if (key === null) anew();
      else if (key.startsWith(this.#memory.key)) this.#tell();
    });
    addEventListener('online', () => void this.#exchange.sync());
    // Out of the back/forward cache: other pages may have chosen meanwhile, and told nobody here.
    addEventListener('pageshow', ({ persisted }) => persisted && anew());
  }

  #isKnown(): boolean {
    return this.#memory.copy().at > 0 && (this.#exchange.isTold || this.#memory.isFresh());
  }

  #askings(): Asking[] {
    return this.#isKnown() ? askings(this.#memory.copy(), this.standing(), Date.now()) : [];
  }

  /** Tell listeners what differs from what they were told. */
  #tell(): void {
    if (this.#isKnown()) this.#becomeReady();
    const before = this.#told;
    const now: Record<string, string> = {};
    for (const [purpose, { status, permission }] of Object.entries(this.standing())) {
      now[purpose] = `${status} ${permission.allowed}`;
    }
    this.#told = now;
    // What is not known is as if nothing had been said.
    const of = (told: Record<string, string>, purpose: string): string => told[purpose] ?? 'unknown false';
    const changed = Object.keys({ ...before, ...now }).filter((purpose) => of(before, purpose) !== of(now, purpose));
    if (changed.length) this.#emit('change', changed);
    const asking = this.#askings();
    const wasAsking = this.#isAsking;
    this.#isAsking = asking.length > 0;
    if (this.#isAsking && !wasAsking) this.#emit('ask', asking);
  }

  #unrecorded(askings: Asking[]): void {
    // Asked again, whoever was asked already.
    if (askings.some(({ reason }) => reason === 'outdated')) this.#isAsking = false;
    const unconfirmed = askings.filter(({ reason }) => reason !== 'outdated');
    if (unconfirmed.length) this.#emit('ask', unconfirmed);
  }

  #emit<E extends keyof Heard>(event: E, ...what: Parameters<Heard[E]>): void {
    for (const heard of [...this.#heard[event]]) {
      try {
        (heard as (...what: Parameters<Heard[E]>) => void)(...what);
      } catch (error) {
        // One listener's fault must not keep another from stopping a tag.
        reportError(error);
      }
    }
  }
}

function isSame(before: Waiting | undefined, { visitor, body }: Waiting): boolean {
  const said = ({ layer, button, choices, screen_hash }: ChoiceBody): string =>
    JSON.stringify([layer, button, choices, screen_hash]);
  return before?.visitor === visitor && said(before.body) === said(body);
}

/** Global Privacy Control; the browser tells the service by itself. */
function hasSignal(): boolean {
  return (navigator as { globalPrivacyControl?: unknown }).globalPrivacyControl === true;
}
