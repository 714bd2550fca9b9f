/** What each button says, purpose by purpose (docs/WEB.md). Pure: no page, no network. */
import type { Notice, NoticePurpose, Said, Standing } from '../core/index.js';

export type Standings = Readonly<Record<string, Standing>>;
export type Choices = Record<string, Said>;
/** How a purpose is shown: a switch, a consent that is given elsewhere, an objection, or information alone. */
export type Kind = 'switch' | 'confirmed' | 'objectable' | 'information';

const AGREED = new Set(['given', 'renewed']);
const DECIDED = new Set([...AGREED, 'refused', 'withdrawn', 'objected', 'requested']);

export function kindOf(purpose: NoticePurpose): Kind {
  if (purpose.choices.includes('given')) return 'switch';
  if (purpose.confirmation === 'double_opt_in' && purpose.choices.length) return 'confirmed';
  return purpose.choices.includes('refused') ? 'objectable' : 'information';
}

/** Whether the purpose's switch stands on before anybody touches it: never for a consent that was not given. */
export function isOn(purpose: NoticePurpose, standings: Standings): boolean {
  const status = standings[purpose.purpose]?.status ?? 'unknown';
  return kindOf(purpose) === 'objectable' ? status !== 'objected' : AGREED.has(status);
}

/** Whether the visitor can move the switch: nothing is confirmed here, and an objection is lifted elsewhere. */
export function isMovable(purpose: NoticePurpose, standings: Standings): boolean {
  const kind = kindOf(purpose);
  return kind === 'switch' || (kind !== 'information' && isOn(purpose, standings));
}

export function acceptAll(notice: Notice): Choices {
  return everywhere(notice, 'given');
}

export function refuseAll(notice: Notice): Choices {
  return everywhere(notice, 'refused');
}

/** Closing puts the answer off where there is none; it takes nothing back. */
export function closed(notice: Notice, standings: Standings): Choices {
  const open = notice.purposes.filter((one) => !DECIDED.has(standings[one.purpose]?.status ?? 'unknown'));
  return everywhere({ ...notice, purposes: open }, 'deferred');
}

/** What the switches say: every consent as it is set, and of what is not given here only what was taken back. */
export function saved(notice: Notice, standings: Standings, on: ReadonlySet<string>): Choices {
  const choices: Choices = {};
  for (const purpose of notice.purposes) {
    const slug = purpose.purpose;
    const kind = kindOf(purpose);
    const was = isOn(purpose, standings);
    if (on.has(slug)) {
      if (kind === 'switch') choices[slug] = 'given';
    } else if (kind === 'switch' || was) {
      if (kind !== 'information') choices[slug] = was && kind !== 'objectable' ? 'withdrawn' : 'refused';
    }
  }
  return choices;
}

function everywhere(notice: Notice, said: Said): Choices {
  const able = notice.purposes.filter((one) => one.choices.includes(said));
  return Object.fromEntries(able.map((one) => [one.purpose, said]));
}
