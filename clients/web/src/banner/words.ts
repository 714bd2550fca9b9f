/** Words that stand outside the screens, and lists, durations and countries in the visitor's language. */

interface OwnWords {
  reopen: string;
  saved: string;
}

const OWN: Record<string, OwnWords> = {
  nb: { reopen: 'Dine valg', saved: 'Valgene dine er lagret.' },
  nn: { reopen: 'Vala dine', saved: 'Vala dine er lagra.' },
  en: { reopen: 'Your choices', saved: 'Your choices are saved.' },
};

/** The banner's own words in the nearest language, and which language that is. */
export function ownWords(language: string): OwnWords & { language: string } {
  const main = language.toLowerCase().split('-')[0] ?? '';
  const found = main === 'no' ? 'nb' : Object.hasOwn(OWN, main) ? main : 'en';
  return { ...(OWN[found] as OwnWords), language: found };
}

/** nn is not everywhere among a browser's languages; the neighbour is nearer than the browser's own. */
function locales(language: string): string[] {
  return [language, ...(language.startsWith('nn') ? ['nb'] : []), 'en'];
}

/** "Recipients, cookies and kept for". */
export function together(language: string, words: readonly string[]): string {
  const lower = words.map((one, place) => (place ? one.toLocaleLowerCase(language) : one));
  return new Intl.ListFormat(locales(language), { type: 'conjunction' }).format(lower);
}

const UNITS = { Y: 'year', M: 'month', W: 'week', D: 'day' };
const UNITS_OF_TIME = { H: 'hour', M: 'minute', S: 'second' };

/** An ISO 8601 duration in words: "90 days"; what is none stays as it is. */
export function inWords(language: string, duration: string): string {
  const [days = '', time = ''] = duration.replace(/^P/, '').split('T');
  const parts = [...pieces(days, UNITS), ...pieces(time, UNITS_OF_TIME)].map(([count, unit]) =>
    new Intl.NumberFormat(locales(language), { style: 'unit', unit, unitDisplay: 'long' }).format(count),
  );
  return parts.length ? parts.join(' ') : duration;
}

function pieces(text: string, units: Record<string, string>): [number, string][] {
  return [...text.matchAll(/(\d+)([A-Z])/g)].map(([, count, unit]) => [Number(count), units[unit ?? ''] ?? 'day']);
}

/** A country's name from its two letters. */
export function country(language: string, code: string): string {
  try {
    return new Intl.DisplayNames(locales(language), { type: 'region' }).of(code) ?? code;
  } catch {
    return code;
  }
}
