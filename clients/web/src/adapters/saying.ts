import type { Button, Choice, Consent, Layer, Notice, NoticePurpose, Said } from '../core/types.js';

/** What is to be said of each purpose that a library's switches are about, after it has saved: on or off. */
export function sayings(
  consent: Consent,
  notice: Notice,
  switches: Record<string, boolean>,
  isFirst: boolean,
): Record<string, Said> {
  const said: Record<string, Said> = {};
  for (const { purpose, choices } of notice.purposes) {
    const isOn = switches[purpose];
    if (isOn === undefined || (!isFirst && isOn === consent.allows(purpose))) continue;
    const wasGiven = ['given', 'renewed'].includes(consent.standing()[purpose]?.status ?? '');
    const word = isOn ? 'given' : wasGiven ? 'withdrawn' : 'refused';
    // Interests that nobody objects to are not given; what is required has no switch.
    if (choices.includes(word)) said[purpose] = word;
  }
  return said;
}

/** The choice as it is told, or nothing where nothing was said. */
export function tell(consent: Consent, layer: Layer, button: Button, choices: Choice['choices']): void {
  if (Object.keys(choices).length) void consent.choose({ layer, button, choices });
}

/** What a switch can be about: a purpose that a click gives, or one that can be objected to. */
export function hasSwitch(one: NoticePurpose): boolean {
  return one.choices.includes('given') || (one.allowed_by_default && one.choices.length > 0);
}

/** What is there without being chosen. */
export function isRequired(one: NoticePurpose): boolean {
  return one.choices.length === 0;
}
