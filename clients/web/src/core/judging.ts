import type { Asking, Layer, Notice, Said, Standing } from './types.js';

/** What is kept of a notice's purpose: enough to judge without it. */
export interface Facts {
  choices: Said[];
  allowed: boolean;
  sells: boolean;
  cookies: string[];
}

/** A choice as it is posted. */
export interface ChoiceBody {
  choice_id: string;
  language: string;
  screen_hash: string;
  layer: Layer;
  choices: Record<string, Said>;
  button?: string;
  path?: string;
  occurred_at: string;
}

/** A choice that waits to be told. */
export interface Waiting {
  visitor: string;
  body: ChoiceBody;
}

/** What the browser remembers of the visitor between pages. Moments are milliseconds since 1970. */
export interface State {
  visitor: string | null;
  /** When all of this is to be forgotten. */
  until: number;
  /** When the service last told what stands. */
  at: number;
  /** Goes up whenever what stands is written, so that an answer that was overtaken is seen to be. */
  turn: number;
  standing: Record<string, Standing>;
  /** What was chosen on a screen that did not hold any more. */
  outdated: string[];
  /** Until when the service asked not to be asked (Retry-After). */
  pause: number;
}

/** What it remembers of the notice. */
export interface Shown {
  facts: Record<string, Facts>;
  language: string;
  screens: Partial<Record<Layer, string>>;
}

export type Copy = State & Shown;

export const NO_STATE: State = { visitor: null, until: 0, at: 0, turn: 0, standing: {}, outdated: [], pause: 0 };
export const NOTHING_SHOWN: Shown = { facts: {}, language: '', screens: {} };

export function shownBy(notice: Notice): Shown {
  const facts: Record<string, Facts> = {};
  for (const one of notice.purposes) {
    facts[one.purpose] = {
      choices: one.choices,
      allowed: one.allowed_by_default,
      sells: one.shares_or_sells,
      cookies: one.cookies.map(({ name }) => name),
    };
  }
  const screens: Shown['screens'] = {};
  for (const one of notice.layers) screens[one.layer] = one.screen_hash;
  return { facts, screens, language: notice.language };
}

/** Statuses after which a banner asks again at once. */
const ASK = ['unknown', 'expired', 'invalidated', 'revoked'];
/** Statuses that closing a banner changes nothing of. */
const DECIDED = ['given', 'renewed', 'refused', 'withdrawn', 'objected'];
/** Reasons that no choice in a browser overcomes. */
const BARRED = ['suppressed', 'restricted', 'erased', 'no_legal_basis'];

/**
 * What stands for each purpose now: as the service told it, or by default where it told nothing; what has ended since;
 * and on top of it what was chosen here and waits to be told. `signal`: the browser asks not to sell or share (GPC).
 */
export function judge(copy: Copy, waiting: Waiting[], signal: boolean, now: number): Record<string, Standing> {
  const all: Record<string, Standing> = {};
  for (const [purpose, facts] of Object.entries(copy.facts)) {
    const barred = signal && facts.sells;
    const byDefault = facts.choices.length ? 'legitimate_interest' : 'not_consent_based';
    const reason = barred ? 'signal' : facts.allowed ? byDefault : 'no_record';
    all[purpose] = stands(purpose, 'unknown', facts.allowed && !barred, reason, null);
  }
  for (const [purpose, told] of Object.entries(copy.standing)) {
    const { until } = told.permission;
    const ended = told.permission.allowed && until !== null && Date.parse(until) <= now;
    all[purpose] = ended ? stands(purpose, 'expired', false, 'expired', until) : told;
  }
  for (const { visitor, body } of waiting) {
    if (visitor !== copy.visitor) continue;
    for (const [purpose, said] of Object.entries(body.choices)) {
      all[purpose] = choose(purpose, said, all[purpose], copy.facts[purpose], body.occurred_at);
    }
  }
  return all;
}

function choose(
  purpose: string,
  said: Said,
  before: Standing | undefined,
  facts: Facts | undefined,
  at: string,
): Standing {
  const standing = before ?? stands(purpose, 'unknown', false, 'no_record', null);
  if (said === 'given') {
    const can = facts?.choices.includes('given') && !BARRED.includes(standing.permission.reason);
    return can ? stands(purpose, 'given', true, 'given', at) : standing;
  }
  if (said === 'deferred') {
    return DECIDED.includes(standing.status)
      ? standing
      : stands(purpose, 'deferred', standing.permission.allowed, 'deferred', at);
  }
  // A no to what rests on legitimate interests is an objection.
  const status = facts?.allowed ? 'objected' : said;
  return stands(purpose, status, false, status, at);
}

function stands(
  purpose: string,
  status: string,
  allowed: boolean,
  reason: string,
  since: string | null,
): Standing {
  return {
    purpose,
    status,
    version: null,
    since,
    ask_again_at: null,
    permission: { allowed, reason, status, version: null, until: null },
  };
}

/** What a banner has to ask about now: only what a click can give. */
export function askings(copy: Copy, standing: Record<string, Standing>, now: number): Asking[] {
  const found: Asking[] = [];
  for (const [purpose, facts] of Object.entries(copy.facts)) {
    if (!facts.choices.includes('given')) continue;
    const told = standing[purpose];
    const at = told?.ask_again_at;
    if (copy.outdated.includes(purpose)) found.push({ purpose, reason: 'outdated' });
    else if (!told || ASK.includes(told.status) || (at && Date.parse(at) <= now)) {
      found.push({ purpose, reason: 'unasked' });
    }
  }
  return found;
}
