import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Asking } from '../../src/core/types.js';
import { COOKIE, KEY, newBrowser, openPage, settled, storageChanged, visitorCookie } from '../page.js';
import { FakeService, purpose } from '../service.js';

const VISITOR = 'v'.repeat(24);
let service: FakeService;

beforeEach(() => {
  newBrowser();
  service = new FakeService(
    purpose('matomo', { cookies: [{ name: '_pk_id*' }] }),
    purpose('pixel', { shares_or_sells: true }),
    purpose('security', { choices: [], allowed_by_default: true }),
    purpose('interests', { choices: ['refused', 'withdrawn'], allowed_by_default: true, shares_or_sells: true }),
    purpose('letter', { choices: ['refused', 'withdrawn', 'deferred'], confirmation: 'double_opt_in' }),
  );
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function returning(...statuses: [string, string][]): void {
  document.cookie = `${COOKIE}=${VISITOR}; Path=/`;
  for (const [name, status] of statuses) service.say(VISITOR, name, status);
}

test('nothing is allowed and nothing asked until it is known', async () => {
  service.isAway = true;
  const consent = await openPage();
  await settled();

  expect(consent.allows('security')).toBe(false);
  expect(consent.mustAsk()).toBe(false);
  expect(consent.standing()).toEqual({});
});

test('before anything was said, what needs no yes is allowed, and what a click can give is asked', async () => {
  const consent = await openPage();
  const asked: Asking[][] = [];
  consent.on('ask', (askings) => asked.push(askings));
  await consent.ready;

  expect(['matomo', 'pixel', 'security', 'interests', 'letter'].filter((one) => consent.allows(one))).toEqual([
    'security',
    'interests',
  ]);
  expect(asked).toEqual([
    [
      { purpose: 'matomo', reason: 'unasked' },
      { purpose: 'pixel', reason: 'unasked' },
    ],
  ]);
});

test('where the browser asks not to sell or share, that is not allowed by default', async () => {
  vi.stubGlobal('navigator', { globalPrivacyControl: true });
  const consent = await openPage();
  await consent.ready;

  expect(consent.allows('interests')).toBe(false);
  expect(consent.standing()['interests']?.permission.reason).toBe('signal');
  expect(consent.allows('security')).toBe(true);
});

test('an explicit yes counts for more than the signal', async () => {
  vi.stubGlobal('navigator', { globalPrivacyControl: true });
  const consent = await openPage();
  await consent.choose({ layer: 'banner', choices: { pixel: 'given' } });

  expect(consent.allows('pixel')).toBe(true);
});

test('on the next page what stands is known at once, without the network', async () => {
  const first = await openPage();
  await first.choose({ layer: 'banner', button: 'accept_all', choices: { matomo: 'given', pixel: 'refused' } });
  service.isAway = true;

  const consent = await openPage();

  expect(consent.allows('matomo')).toBe(true);
  expect(consent.allows('pixel')).toBe(false);
  expect(consent.mustAsk()).toBe(false);
  expect(consent.cookies()['matomo']).toEqual(['_pk_id*']);
  await consent.ready;
});

test('a copy of yesterday waits for the service', async () => {
  const first = await openPage();
  await first.choose({ layer: 'banner', choices: { matomo: 'given' } });
  vi.useFakeTimers({ now: Date.now() + 25 * 3600 * 1000, toFake: ['Date'] });
  const told: string[] = [];

  const consent = await openPage();
  void consent.ready.then(() => told.push('ready'));

  expect(consent.allows('matomo')).toBe(false);
  expect(told).toEqual([]);
  await settled();
  expect(told).toEqual(['ready']);
  expect(consent.allows('matomo')).toBe(true);
});

test('what was withdrawn elsewhere stops once the service has told, and listeners hear it', async () => {
  const first = await openPage();
  await first.choose({ layer: 'banner', choices: { matomo: 'given', pixel: 'given' } });
  service.say(visitorCookie() ?? '', 'matomo', 'withdrawn');
  const consent = await openPage();
  const changed: string[][] = [];
  consent.on('change', (purposes) => changed.push(purposes));
  expect(consent.allows('matomo')).toBe(true);

  await settled();

  expect(consent.allows('matomo')).toBe(false);
  expect(changed).toEqual([['matomo']]);
});

test('a consent ends at its moment, whether anybody told so or not', async () => {
  const soon = new Date(Date.now() + 1000).toISOString();
  const permission = { allowed: true, reason: 'given', status: 'given', version: 1, until: soon };
  returning(['pixel', 'refused']);
  service.say(VISITOR, 'matomo', 'given', { permission });
  const consent = await openPage();
  await consent.ready;
  expect(consent.allows('matomo')).toBe(true);
  expect(consent.mustAsk()).toBe(false);

  vi.useFakeTimers({ now: Date.now() + 2000, toFake: ['Date'] });

  expect(consent.allows('matomo')).toBe(false);
  expect(consent.mustAsk()).toBe(true);
});

test.each([
  ['unknown', true],
  ['expired', true],
  ['invalidated', true],
  ['revoked', true],
  ['refused', false],
  ['withdrawn', false],
  ['deferred', false],
  ['given', false],
  ['renewed', false],
])('whoever stands as %s is asked: %s', async (status, asks) => {
  returning(['matomo', status], ['pixel', 'given']);
  const consent = await openPage();
  await consent.ready;

  expect(consent.mustAsk()).toBe(asks);
});

test('a refusal is asked about again when its time has come', async () => {
  returning(['pixel', 'given']);
  service.say(VISITOR, 'matomo', 'refused', { ask_again_at: new Date(Date.now() - 1).toISOString() });
  const consent = await openPage();
  await consent.ready;

  expect(consent.mustAsk()).toBe(true);
});

test('a refusal is left alone until then', async () => {
  returning(['pixel', 'given']);
  service.say(VISITOR, 'matomo', 'refused', { ask_again_at: new Date(Date.now() + 1000).toISOString() });
  const consent = await openPage();
  await consent.ready;

  expect(consent.mustAsk()).toBe(false);
});

test('a yes changes nothing where processing is barred', async () => {
  returning(['pixel', 'refused']);
  const permission = { allowed: false, reason: 'restricted', status: 'refused', version: 1, until: null };
  service.say(VISITOR, 'matomo', 'refused');
  const consent = await openPage();
  await consent.ready;
  const kept = JSON.parse(localStorage.getItem(KEY) ?? '');
  kept.standing.matomo.permission = permission;
  localStorage.setItem(KEY, JSON.stringify(kept));

  const told = consent.choose({ layer: 'settings', choices: { matomo: 'given' } });

  expect(consent.allows('matomo')).toBe(false);
  await told;
});

test('what another page of the site chose holds here at once', async () => {
  const here = await openPage();
  await here.ready;
  const changed: string[][] = [];
  here.on('change', (purposes) => changed.push(purposes));
  const there = await openPage();
  await there.choose({ layer: 'banner', choices: { matomo: 'given' } });

  storageChanged(KEY);

  expect(here.allows('matomo')).toBe(true);
  expect(changed).toEqual([['matomo']]);
});

test('when all that was kept is cleared, nothing is allowed that was', async () => {
  const consent = await openPage();
  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });
  localStorage.clear();
  document.cookie = `${COOKIE}=; Path=/; Max-Age=0`;

  storageChanged(null);

  expect(consent.allows('matomo')).toBe(false);
  await settled();
  expect(consent.mustAsk()).toBe(true);
});

test('a page out of the back/forward cache learns what was chosen meanwhile', async () => {
  const here = await openPage();
  await here.choose({ layer: 'banner', choices: { matomo: 'given' } });
  const there = await openPage();
  await there.choose({ layer: 'settings', button: 'save', choices: { matomo: 'withdrawn' } });
  const changed: string[][] = [];
  here.on('change', (purposes) => changed.push(purposes));
  const asked = service.asked.length;

  dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));

  expect(here.allows('matomo')).toBe(false);
  expect(changed).toEqual([['matomo']]);
  await settled();
  expect(service.asked.slice(asked)).toContain('GET /consents');
});

test.each(['{', '[]', '"text"', 'null', '{"standing": 1}'])('a copy that says %s does no harm', async (kept) => {
  localStorage.setItem(KEY, kept);
  localStorage.setItem(`${KEY}:waiting`, kept);
  const consent = await openPage();
  await consent.ready;

  expect(consent.mustAsk()).toBe(true);
});

test('one listener that fails keeps no other from hearing', async () => {
  const reported = vi.fn();
  vi.stubGlobal('reportError', reported);
  const consent = await openPage();
  await consent.ready;
  const heard = vi.fn();
  consent.on('change', () => {
    throw new Error('mine');
  });
  consent.on('change', heard);

  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });

  expect(heard).toHaveBeenCalled();
  expect(reported).toHaveBeenCalled();
});

test('who has stopped listening hears nothing', async () => {
  const consent = await openPage();
  await consent.ready;
  const heard = vi.fn();
  consent.on('settings', heard)();

  consent.openSettings('matomo');

  expect(heard).not.toHaveBeenCalled();
});

test('a purpose that the notice does not show is not asked about on every page', async () => {
  returning(['matomo', 'given'], ['pixel', 'given']);
  const hidden = purpose('hidden');
  service.notice.purposes.push(hidden);
  const shown = { ...service.notice, purposes: service.notice.purposes.filter((one) => one !== hidden) };
  const real = fetch;
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    const answer = await real(url, init);
    return url.includes('/notice') ? Response.json(shown) : answer;
  });
  await (await openPage()).ready;
  await settled();
  const asked = service.asked.length;

  await openPage();
  await settled();

  expect(service.asked.slice(asked)).toEqual(['GET /consents']);
});
