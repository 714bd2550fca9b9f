import { shownBy, type Facts, type Shown, type Waiting } from './judging.js';
import type { Memory } from './memory.js';
import { inTurn } from './turns.js';
import type { Asking, Notice, Trouble } from './types.js';
import { call, isPassing, trouble, type Answer } from './wire.js';

const PAUSE_MS_MAX = 5 * 60 * 1000;
/** No Retry-After is kept for longer, whatever it said. */
const KEPT_MS_MAX = 3600 * 1000;

/** Of a purpose that stands for the visitor and is in no notice: there is nothing to choose. */
const HIDDEN: Facts = { choices: [], allowed: false, sells: false, cookies: [] };

/** What comes of speaking with the service. */
export interface Outcomes {
  changed(): void;
  unrecorded(askings: Asking[]): void;
  failed(trouble: Trouble): void;
}

/** What is said between this browser and the service: choices that wait, in order; then what stands. */
export class Exchange {
  /** Whether the service has told on this page what stands. */
  isTold = false;
  /** The notice's screens as this page fetched them last. */
  shown: Shown | null = null;
  readonly #endpoint: string;
  readonly #query: string;
  readonly #memory: Memory;
  readonly #outcomes: Outcomes;
  #notice: Promise<Notice> | null = null;
  #running: Promise<void> | null = null;
  #isWanted = false;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(endpoint: string, language: string, memory: Memory, outcomes: Outcomes) {
    this.#endpoint = endpoint;
    this.#query = language ? `?lang=${encodeURIComponent(language)}` : '';
    this.#memory = memory;
    this.#outcomes = outcomes;
  }

  notice(cache: RequestCache = 'default'): Promise<Notice> {
    if (this.#notice && cache === 'default') return this.#notice;
    const fetched = this.#fetchNotice(cache);
    this.#notice = fetched;
    fetched.catch(() => (this.#notice = null));
    return fetched;
  }

  /** Resolved when all that waits was told, or was put off. One at a time, among all pages of the site. */
  sync(): Promise<void> {
    this.#isWanted = true;
    this.#running ??= this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      clearTimeout(this.#timer);
      await inTurn(this.#memory.key, () => this.#exchange());
    }
  }

  async #exchange(): Promise<void> {
    const pause = this.#memory.copy().pause - Date.now();
    if (pause > 0 && pause <= KEPT_MS_MAX) return this.#wake(pause);
    for (let one = this.#memory.waiting()[0]; one; one = this.#memory.waiting()[0]) {
      if (!(await this.#post(one))) return;
    }
    if (!(await this.#read()) || !(await this.#describe())) return;
    this.#failures = 0;
    this.#outcomes.changed();
  }

  /** Whether the next one may follow. */
  async #post({ visitor, body }: Waiting): Promise<boolean> {
    const answer = await call(`${this.#endpoint}/consents`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Consent-Visitor': visitor },
      body: JSON.stringify(body),
      // Outlives the page, where the visitor goes on at once.
      keepalive: true,
    });
    const { status } = answer;
    const isOwn = this.#memory.copy().visitor === visitor;
    if (status === 200 || status === 201) {
      const askings: Asking[] = answer.body.ask_again;
      const outdated = askings.filter((one) => one.reason === 'outdated').map((one) => one.purpose);
      // Taken before the choice is let go: no page may see a moment in which neither holds.
      if (isOwn) this.#memory.take(answer.body.consents, outdated);
      this.#memory.dequeue(body.choice_id);
      this.isTold ||= isOwn;
      if (isOwn && askings.length) this.#outcomes.unrecorded(askings);
      if (outdated.length) await this.notice('no-cache').catch(() => null);
      this.#outcomes.changed();
      return true;
    }
    if (isPassing(status)) return this.#fail(answer);
    this.#memory.dequeue(body.choice_id);
    // The person behind the id was erased: begin anew.
    if (status === 410 && isOwn) this.#memory.forget();
    else this.#outcomes.failed(trouble(answer, false));
    this.isTold = false;
    return true;
  }

  /** What stands for the visitor; without an id nothing is recorded. Whether it is known now. */
  async #read(): Promise<boolean> {
    const { visitor, turn } = this.#memory.copy();
    if (!visitor || this.isTold) return true;
    const answer = await call(`${this.#endpoint}/consents`, {
      headers: { 'Consent-Visitor': visitor },
      cache: 'no-store',
    });
    if (answer.status === 410) this.#memory.forget();
    else if (answer.status !== 200) return this.#fail(answer);
    else if (this.#memory.copy().turn === turn) this.#memory.take(answer.body.consents);
    this.isTold = true;
    return true;
  }

  /** What the purposes are, where that is not known: of nobody in particular, or of one that is new. */
  async #describe(): Promise<boolean> {
    const { facts, standing, visitor } = this.#memory.copy();
    if (visitor && Object.keys(standing).every((purpose) => facts[purpose])) return true;
    try {
      const notice = await this.notice();
      // Written once more, since what was kept of it may have been cleared; with what it does not show, so that the next page
      // need not ask again.
      const hidden = Object.keys(standing).map((purpose) => [purpose, HIDDEN] as const);
      const shown = shownBy(notice);
      this.#memory.describe({ ...shown, facts: { ...Object.fromEntries(hidden), ...shown.facts } });
    } catch (error) {
      return this.#fail((error as { cause: Answer }).cause);
    }
    this.#settle();
    return true;
  }

  async #fetchNotice(cache: RequestCache): Promise<Notice> {
    const answer = await call(`${this.#endpoint}/notice${this.#query}`, { cache });
    if (answer.status !== 200) throw new Error('The notice cannot be had.', { cause: answer });
    this.shown = shownBy(answer.body);
    this.#memory.describe(this.shown);
    this.#settle();
    this.#outcomes.changed();
    return answer.body;
  }

  /** Of a visitor without an id, what holds by default is all there is to know. */
  #settle(): void {
    if (!this.#memory.copy().visitor) this.#memory.write({ at: Date.now() });
  }

  #fail(answer: Answer): false {
    const again = isPassing(answer.status);
    if (again) {
      this.#failures += 1;
      const own = Math.min(PAUSE_MS_MAX, 1000 * 2 ** this.#failures);
      const told = answer.waitS === null ? null : Math.min(KEPT_MS_MAX, answer.waitS * 1000);
      if (told !== null) this.#memory.write({ pause: Date.now() + told });
      // Spread, so that not all browsers come back at the same moment.
      this.#wake((told ?? own / 2) + Math.random() * (told === null ? own / 2 : 1000));
    }
    this.#outcomes.failed(trouble(answer, again));
    return false;
  }

  #wake(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.sync(), ms);
  }
}
