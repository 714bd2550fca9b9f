import { vi } from 'vitest';
import type { Notice, NoticePurpose, Said, Standing } from '../src/core/types.js';

const EVERYTHING: Said[] = ['given', 'refused', 'withdrawn', 'deferred'];

export function purpose(name: string, more: Partial<NoticePurpose> = {}): NoticePurpose {
  return {
    purpose: name,
    version: 1,
    language: 'en',
    notice_hash: `hash of ${name}`,
    notice: { name: `The ${name}`, description: `What ${name} does.` },
    choices: EVERYTHING,
    allowed_by_default: false,
    legal_bases: ['consent'],
    confirmation: 'none',
    shares_or_sells: false,
    recipients: [],
    transfers: [],
    data_categories: [],
    retention: [],
    renew_after: null,
    ask_again_after: {},
    cookies: [],
    ...more,
  };
}

export function notice(...purposes: NoticePurpose[]): Notice {
  return {
    site: 'site',
    controller: 'Ansettr AS',
    language: 'en',
    languages: ['en', 'nb'],
    screen_hash: 'banner hash',
    texts: {
      title: 'You decide',
      introduction: 'Choose.',
      accept_all: 'Accept all',
      refuse_all: 'Refuse all',
      settings: 'Choose yourself',
      save: 'Save',
      close: 'Close',
      always_on: 'Always on',
    },
    layers: [
      { layer: 'banner', buttons: ['accept_all', 'refuse_all', 'settings', 'close'], screen_hash: 'banner hash' },
      { layer: 'settings', buttons: ['accept_all', 'refuse_all', 'save', 'close'], screen_hash: 'settings hash' },
    ],
    purposes,
    links: { contacts: [], complaint: null },
  };
}

export interface Posted {
  visitor: string;
  body: Record<string, any>;
}

/** The site's interface in memory, as `fetch`: what it was asked, and what it answers instead when a test says so. */
export class FakeService {
  notice: Notice;
  readonly asked: string[] = [];
  readonly posted: Posted[] = [];
  /** Answers for the next requests instead of the service's own: a status, or null for no answer at all. */
  instead: ({ status: number; headers?: Record<string, string>; body?: unknown } | null)[] = [];
  /** As long as it is away, nothing answers. */
  isAway = false;
  askAgain: { purpose: string; reason: string }[] = [];
  readonly #taken = new Set<string>();
  readonly #standing = new Map<string, Record<string, Standing>>();

  constructor(...purposes: NoticePurpose[]) {
    this.notice = notice(...purposes);
    vi.stubGlobal('fetch', (url: string, init?: RequestInit) => this.#answer(url, init));
  }

  /** What the ledger has of a visitor, as if it were told from elsewhere. */
  say(visitor: string, purposeName: string, status: string, more: Partial<Standing> = {}): void {
    const allowed = status === 'given' || status === 'renewed';
    const until = more.permission?.until ?? null;
    this.#of(visitor)[purposeName] = {
      purpose: purposeName,
      status,
      version: 1,
      since: new Date().toISOString(),
      ask_again_at: null,
      ...more,
      permission: { allowed, reason: status, status, version: 1, until },
    };
  }

  status(visitor: string, purposeName: string): string {
    return this.#of(visitor)[purposeName]?.status ?? 'unknown';
  }

  #of(visitor: string): Record<string, Standing> {
    const known = this.#standing.get(visitor) ?? {};
    this.#standing.set(visitor, known);
    return known;
  }

  async #answer(url: string, init: RequestInit = {}): Promise<Response> {
    const method = init.method ?? 'GET';
    const path = url.slice(url.lastIndexOf('/'));
    this.asked.push(`${method} ${path.split('?')[0]}`);
    await Promise.resolve();
    const instead = this.instead.shift();
    if (this.isAway || instead === null) throw new TypeError('Failed to fetch');
    if (instead) {
      return new Response(JSON.stringify(instead.body ?? {}), { status: instead.status, headers: instead.headers ?? {} });
    }
    if (path.startsWith('/notice')) return Response.json(this.notice);
    const visitor = new Headers(init.headers).get('consent-visitor') ?? '';
    if (method === 'POST') return this.#take(visitor, JSON.parse(init.body as string));
    return Response.json({ consents: this.#consents(visitor) });
  }

  #take(visitor: string, body: Posted['body']): Response {
    this.posted.push({ visitor, body });
    const isNew = !this.#taken.has(body['choice_id']);
    this.#taken.add(body['choice_id']);
    const left = this.askAgain;
    this.askAgain = [];
    for (const [name, said] of Object.entries(body['choices'] as Record<string, string>)) {
      if (isNew && !left.some((one) => one.purpose === name)) this.say(visitor, name, said);
    }
    return Response.json({ consents: this.#consents(visitor), ask_again: left }, { status: isNew ? 201 : 200 });
  }

  #consents(visitor: string): Standing[] {
    return this.notice.purposes.map((one) => {
      const own = this.#of(visitor)[one.purpose];
      if (own) return own;
      const allowed = one.allowed_by_default;
      return {
        purpose: one.purpose,
        status: 'unknown',
        version: null,
        since: null,
        ask_again_at: null,
        permission: { allowed, reason: 'no_record', status: 'unknown', version: null, until: null },
      };
    });
  }
}
