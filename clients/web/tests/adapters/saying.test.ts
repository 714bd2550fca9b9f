import { expect, test, vi } from 'vitest';
import { hasSwitch, isRequired, sayings, tell } from '../../src/adapters/saying.js';
import type { Consent } from '../../src/core/types.js';
import { notice, purpose } from '../service.js';

const shown = notice(
  purpose('matomo'),
  purpose('pixel'),
  purpose('security', { choices: [], allowed_by_default: true }),
  purpose('interests', { choices: ['refused', 'withdrawn'], allowed_by_default: true }),
  purpose('letter', { choices: ['refused', 'withdrawn', 'deferred'] }),
);

function standing(statuses: Record<string, string>, ...allowed: string[]): Consent {
  return {
    allows: (name: string) => allowed.includes(name),
    standing: () => Object.fromEntries(Object.entries(statuses).map(([name, status]) => [name, { status }])),
  } as unknown as Consent;
}

test('the first time everything is said that has a switch', () => {
  const switches = { matomo: true, pixel: false, interests: true };

  expect(sayings(standing({}, 'interests'), shown, switches, true)).toEqual({ matomo: 'given', pixel: 'refused' });
});

test('later only what differs is said, and what was given is withdrawn', () => {
  const consent = standing({ matomo: 'given', pixel: 'refused' }, 'matomo', 'interests');

  expect(sayings(consent, shown, { matomo: true, pixel: false, interests: true }, false)).toEqual({});
  expect(sayings(consent, shown, { matomo: false, pixel: true, interests: true }, false)).toEqual({
    matomo: 'withdrawn',
    pixel: 'given',
  });
});

test('interests are objected to, never given; what is required says nothing', () => {
  const consent = standing({}, 'interests', 'security');

  expect(sayings(consent, shown, { interests: false, security: false }, false)).toEqual({ interests: 'refused' });
  expect(sayings(standing({ interests: 'objected' }), shown, { interests: true }, false)).toEqual({});
});

test('what a click can say has a switch, and what nobody chooses stands there as required', () => {
  expect(shown.purposes.filter(hasSwitch).map((one) => one.purpose)).toEqual(['matomo', 'pixel', 'interests']);
  expect(shown.purposes.filter(isRequired).map((one) => one.purpose)).toEqual(['security']);
});

test('where nothing was said, nothing is told', () => {
  const choose = vi.fn();

  tell({ choose } as unknown as Consent, 'banner', 'save', {});
  expect(choose).not.toHaveBeenCalled();

  tell({ choose } as unknown as Consent, 'banner', 'save', { matomo: 'given' });
  expect(choose).toHaveBeenCalledWith({ layer: 'banner', button: 'save', choices: { matomo: 'given' } });
});
