import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Trouble } from '../../src/core/types.js';
import { block, ENDPOINT, KEY, newBrowser, openPage, settled, visitorCookie } from '../page.js';
import { FakeService, purpose } from '../service.js';

let service: FakeService;

beforeEach(() => {
  newBrowser();
  service = new FakeService(purpose('matomo'), purpose('pixel'));
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const waiting = (): { body: { choices: object; choice_id: string } }[] =>
  JSON.parse(localStorage.getItem(`${KEY}:waiting`) ?? '[]');

test('a choice holds before it is told, and is told as it was made', async () => {
  const consent = await openPage();
  await consent.ready;

  const told = consent.choose({ layer: 'banner', button: 'accept_all', choices: { matomo: 'given', pixel: 'given' } });

  expect(consent.allows('matomo')).toBe(true);
  expect(service.posted).toEqual([]);
  await told;
  expect(service.posted[0]?.body).toEqual({
    choice_id: expect.stringMatching(/^[\w-]{24}$/),
    language: 'en',
    screen_hash: 'banner hash',
    layer: 'banner',
    button: 'accept_all',
    choices: { matomo: 'given', pixel: 'given' },
    path: '/jobs/42',
    occurred_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
  });
  expect(waiting()).toEqual([]);
});

test('the layer that was shown is the one that is named, or the screen that the site registered', async () => {
  const consent = await openPage();
  await consent.choose({ layer: 'settings', button: 'save', choices: { matomo: 'given' } });
  await consent.choose({ layer: 'banner', choices: { matomo: 'refused' }, screenHash: 'own', language: 'nb' });

  expect(service.posted.map(({ body }) => [body['screen_hash'], body['language']])).toEqual([
    ['settings hash', 'en'],
    ['own', 'nb'],
  ]);
});

test('what this page showed is named, though another page has fetched a newer notice since', async () => {
  const here = await openPage();
  await here.ready;
  service.notice = { ...service.notice, layers: [{ layer: 'banner', buttons: [], screen_hash: 'newer' }] };
  await openPage();
  await settled();
  expect(localStorage.getItem(`${KEY}:notice`)).toContain('newer');

  await here.choose({ layer: 'banner', choices: { matomo: 'given' } });

  expect(service.posted[0]?.body['screen_hash']).toBe('banner hash');
});

test('each choice has an id of its own, and a second click of the same none at all', async () => {
  const consent = await openPage();
  await consent.ready;
  const click = (): Promise<void> => consent.choose({ layer: 'banner', button: 'accept_all', choices: { matomo: 'given' } });

  await Promise.all([click(), click()]);
  await consent.choose({ layer: 'settings', button: 'save', choices: { matomo: 'withdrawn' } });

  expect(service.posted.map(({ body }) => body['choices'])).toEqual([{ matomo: 'given' }, { matomo: 'withdrawn' }]);
  expect(new Set(service.posted.map(({ body }) => body['choice_id'])).size).toBe(2);
});

test.each([
  ['there is no answer', null],
  ['the service is busy', { status: 503 }],
  ['there were too many', { status: 429 }],
  ['the site is not set up yet', { status: 403 }],
])('a choice is kept, and told with the same id by the next page, where %s', async (_, instead) => {
  const consent = await openPage();
  const troubles: Trouble[] = [];
  consent.on('error', (trouble) => troubles.push(trouble));
  await consent.ready;
  service.instead = [instead];

  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });

  expect(consent.allows('matomo')).toBe(true);
  expect(troubles).toEqual([expect.objectContaining({ status: instead?.status ?? 0, again: true })]);
  const [kept] = waiting();
  expect(kept?.body.choices).toEqual({ matomo: 'given' });

  await openPage();
  await settled();

  expect(service.posted.map(({ body }) => body['choice_id'])).toEqual([kept?.body.choice_id]);
  expect(waiting()).toEqual([]);
});

test('an answer that was lost leads to the same choice again, not to another', async () => {
  const consent = await openPage();
  await consent.ready;
  const real = fetch;
  const lossy = vi.fn(async (url: string, init?: RequestInit) => {
    const answer = await real(url, init);
    if (init?.method === 'POST' && service.posted.length === 1) throw new TypeError('lost');
    return answer;
  });
  vi.stubGlobal('fetch', lossy);
  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });
  expect(waiting()).toHaveLength(1);

  dispatchEvent(new Event('online'));
  await settled();

  expect(new Set(service.posted.map(({ body }) => body['choice_id'])).size).toBe(1);
  expect(service.posted).toHaveLength(2);
  expect(waiting()).toEqual([]);
});

test('choices made offline are told in their order', async () => {
  const consent = await openPage();
  await consent.ready;
  service.isAway = true;
  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });
  await consent.choose({ layer: 'settings', choices: { matomo: 'withdrawn' } });
  expect(consent.allows('matomo')).toBe(false);
  service.isAway = false;

  dispatchEvent(new Event('online'));
  await settled();

  expect(service.posted.map(({ body }) => body['choices'])).toEqual([{ matomo: 'given' }, { matomo: 'withdrawn' }]);
  expect(service.status(visitorCookie() ?? '', 'matomo')).toBe('withdrawn');
});

test('without a notice there is nothing to choose by', async () => {
  service.isAway = true;
  const consent = await openPage();

  await expect(consent.choose({ layer: 'banner', choices: { matomo: 'given' } })).rejects.toThrow('notice');
  expect(waiting()).toEqual([]);
});

test('Retry-After is kept, also by the next page', async () => {
  vi.useFakeTimers();
  const consent = await openPage();
  await consent.ready;
  service.instead = [{ status: 429, headers: { 'retry-after': '30' } }];
  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });
  const asked = service.asked.length;

  await openPage();
  await vi.advanceTimersByTimeAsync(29000);
  expect(service.asked.slice(asked)).toEqual([]);
  await vi.advanceTimersByTimeAsync(3000);

  expect(service.posted).toHaveLength(1);
});

test('it is tried again by itself, and ever more rarely', async () => {
  vi.useFakeTimers();
  service.isAway = true;
  await openPage();
  await vi.advanceTimersByTimeAsync(60_000);
  const soon = service.asked.length;
  await vi.advanceTimersByTimeAsync(600_000);
  const late = service.asked.length - soon;

  expect(soon).toBeGreaterThan(3);
  expect(late).toBeGreaterThan(0);
  expect(late).toBeLessThan(soon * 3);
});

test('what the service will never take is let go, and told of', async () => {
  const consent = await openPage();
  const troubles: Trouble[] = [];
  consent.on('error', (trouble) => troubles.push(trouble));
  await consent.ready;
  const body = { type: '/problems/unknown-reference', detail: 'One is wrong.', errors: [{ detail: 'No such purpose.' }] };
  service.instead = [{ status: 422, body }];

  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });

  expect(troubles).toEqual([
    { status: 422, type: '/problems/unknown-reference', detail: 'No such purpose.', again: false },
  ]);
  expect(waiting()).toEqual([]);
  expect(consent.allows('matomo')).toBe(false);
});

test.each([
  ['reading', (one: FakeService) => (one.instead = [{ status: 410 }])],
])('whoever was erased begins anew (410 at %s)', async (_, erase) => {
  const first = await openPage();
  await first.choose({ layer: 'banner', choices: { matomo: 'given' } });
  erase(service);

  const consent = await openPage();
  await settled();

  expect(visitorCookie()).toBeUndefined();
  expect(consent.allows('matomo')).toBe(false);
  expect(consent.mustAsk()).toBe(true);
});

test('the pages of a site take turns, so that each choice is sent once', async () => {
  const held = new Map<string, Promise<unknown>>();
  const request = vi.fn((name: string, _: object, run: () => Promise<void>) => {
    const after = (held.get(name) ?? Promise.resolve()).then(run);
    held.set(name, after);
    return after;
  });
  vi.stubGlobal('navigator', { locks: { request } });
  const here = await openPage();
  await here.ready;
  await settled();
  service.isAway = true;
  await here.choose({ layer: 'banner', choices: { matomo: 'given' } });
  service.isAway = false;

  const there = await openPage();
  dispatchEvent(new Event('online'));
  await settled();
  await settled();

  expect(there.allows('matomo')).toBe(true);
  expect(service.posted).toHaveLength(1);
  expect(request.mock.calls.every(([name]) => name === KEY)).toBe(true);
});

test('where nothing can be kept, a refusal is told all the same', async () => {
  block();
  const consent = await openPage();
  await consent.choose({ layer: 'banner', button: 'refuse_all', choices: { matomo: 'refused', pixel: 'refused' } });

  expect(service.posted[0]?.body['choices']).toEqual({ matomo: 'refused', pixel: 'refused' });
});

test('the page that is left sends what it has begun, without cookies', async () => {
  const sent = vi.fn(fetch);
  vi.stubGlobal('fetch', sent);
  const consent = await openPage();
  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });

  const [, init] = sent.mock.calls.find(([url, own]) => url === `${ENDPOINT}/consents` && own?.method === 'POST') ?? [];
  expect(init).toMatchObject({ keepalive: true, credentials: 'omit' });
});

test('the notice is asked for in the language of the page', async () => {
  const sent = vi.fn(fetch);
  vi.stubGlobal('fetch', sent);
  document.documentElement.lang = 'nb';
  await (await openPage()).notice();
  newBrowser();
  vi.stubGlobal('fetch', sent);
  await (await openPage({ language: 'nn' })).notice();

  expect(sent.mock.calls.map(([url]) => url)).toEqual([`${ENDPOINT}/notice?lang=nb`, `${ENDPOINT}/notice?lang=nn`]);
});

test('an answer that was overtaken by a choice of another page takes nothing back', async () => {
  const first = await openPage();
  await first.choose({ layer: 'banner', choices: { matomo: 'given', pixel: 'given' } });
  const real = fetch;
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    const answer = await real(url, init);
    if (url.endsWith('/consents') && !init?.method) await held;
    return answer;
  });
  const here = await openPage();
  await settled();
  await first.choose({ layer: 'settings', choices: { matomo: 'withdrawn' } });

  release();
  await settled();

  expect(here.allows('matomo')).toBe(false);
  expect(here.allows('pixel')).toBe(true);
});
