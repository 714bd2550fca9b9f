import { expect, test } from 'vitest';
import { acceptAll, closed, isMovable, isOn, kindOf, refuseAll, saved } from '../../src/banner/saying.js';
import type { Notice, NoticePurpose, Said, Standing } from '../../src/core/index.js';

const ALL: Said[] = ['given', 'refused', 'withdrawn', 'deferred'];

function purpose(slug: string, choices: Said[], more: Partial<NoticePurpose> = {}): NoticePurpose {
  return { purpose: slug, choices, confirmation: 'none', allowed_by_default: false, ...more } as NoticePurpose;
}

const NOTICE = {
  purposes: [
    purpose('matomo', ALL),
    purpose('pixel', ALL),
    purpose('letter', ['refused', 'withdrawn', 'deferred'], { confirmation: 'double_opt_in' }),
    purpose('fraud', ['refused', 'withdrawn'], { allowed_by_default: true }),
    purpose('order', [], { allowed_by_default: true }),
  ],
} as unknown as Notice;

function standing(statuses: Record<string, string>): Record<string, Standing> {
  return Object.fromEntries(Object.entries(statuses).map(([slug, status]) => [slug, { status } as Standing]));
}

test('all is accepted, and all is refused, of what can be', () => {
  expect(acceptAll(NOTICE)).toEqual({ matomo: 'given', pixel: 'given' });
  expect(refuseAll(NOTICE)).toEqual({ matomo: 'refused', pixel: 'refused', letter: 'refused', fraud: 'refused' });
});

test('nothing that waits for consent stands on before it was given, and interests stand on until an objection', () => {
  const on = (statuses: Record<string, string>) =>
    NOTICE.purposes.filter((one) => isOn(one, standing(statuses))).map((one) => one.purpose);

  expect(on({})).toEqual(['fraud']);
  expect(on({ matomo: 'given', pixel: 'renewed', letter: 'given', fraud: 'objected' })).toEqual(['matomo', 'pixel', 'letter']);
  for (const status of ['unknown', 'deferred', 'refused', 'withdrawn', 'revoked', 'expired', 'invalidated', 'requested']) {
    expect(on({ matomo: status, letter: status })).toEqual(['fraud']);
  }
});

test('what cannot be said with a switch has none', () => {
  const movable = (statuses: Record<string, string>) =>
    NOTICE.purposes.filter((one) => isMovable(one, standing(statuses))).map((one) => one.purpose);

  expect(movable({})).toEqual(['matomo', 'pixel', 'fraud']);
  expect(movable({ letter: 'given', fraud: 'objected' })).toEqual(['matomo', 'pixel', 'letter']);
  expect(NOTICE.purposes.map(kindOf)).toEqual(['switch', 'switch', 'confirmed', 'objectable', 'information']);
});

test.each`
  before                                   | on                                | said
  ${{}}                                    | ${['matomo', 'fraud']}            | ${{ matomo: 'given', pixel: 'refused' }}
  ${{}}                                    | ${['fraud']}                      | ${{ matomo: 'refused', pixel: 'refused' }}
  ${{}}                                    | ${['matomo']}                     | ${{ matomo: 'given', pixel: 'refused', fraud: 'refused' }}
  ${{ matomo: 'given', pixel: 'renewed' }} | ${['fraud', 'pixel']}             | ${{ matomo: 'withdrawn', pixel: 'given' }}
  ${{ letter: 'given' }}                   | ${['fraud']}                      | ${{ matomo: 'refused', pixel: 'refused', letter: 'withdrawn' }}
  ${{ letter: 'given' }}                   | ${['fraud', 'letter', 'matomo']}  | ${{ matomo: 'given', pixel: 'refused' }}
  ${{ fraud: 'objected' }}                 | ${[]}                             | ${{ matomo: 'refused', pixel: 'refused' }}
`('saving $on after $before says $said', ({ before, on, said }) => {
  expect(saved(NOTICE, standing(before), new Set(on))).toEqual(said);
});

test('closing puts off what was not answered, and takes back nothing', () => {
  expect(closed(NOTICE, {})).toEqual({ matomo: 'deferred', pixel: 'deferred', letter: 'deferred' });
  expect(closed(NOTICE, standing({ matomo: 'given', pixel: 'expired', letter: 'withdrawn' }))).toEqual({ pixel: 'deferred' });
  expect(closed(NOTICE, standing({ matomo: 'refused', pixel: 'renewed', letter: 'requested' }))).toEqual({});
});
