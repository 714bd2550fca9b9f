import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { block, COOKIE, KEY, newBrowser, openPage, settled, visitorCookie } from '../page.js';
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

test('nobody has an id before they chose something', async () => {
  const consent = await openPage();
  await consent.ready;

  expect(visitorCookie()).toBeUndefined();
  expect(service.asked).toEqual(['GET /notice']);

  await consent.choose({ layer: 'banner', button: 'refuse_all', choices: { matomo: 'refused' } });

  expect(visitorCookie()).toMatch(/^[\w-]{24}$/);
  expect(service.posted[0]?.visitor).toBe(visitorCookie());
});

test('the cookie is first-party, lax, secure where the page is, and lives as long as it is told', async () => {
  const written = vi.spyOn(document, 'cookie', 'set');
  const consent = await openPage({ cookie: { name: 'mine', days: 30, domain: 'ansettr.no' } });

  const visitor = consent.visitor();

  expect(written).toHaveBeenCalledWith(
    `mine=${visitor}; Path=/; Max-Age=2592000; SameSite=Lax; Domain=ansettr.no; Secure`,
  );
});

test('the id in the cookie is the visitor, whatever the copy says', async () => {
  service.say('a'.repeat(24), 'matomo', 'given');
  document.cookie = `${COOKIE}=${'a'.repeat(24)}; Path=/`;
  localStorage.setItem(KEY, JSON.stringify({ visitor: 'b'.repeat(24), at: Date.now(), until: Date.now() + 1e9 }));

  const consent = await openPage();
  await consent.ready;

  expect(consent.visitor()).toBe('a'.repeat(24));
  expect(consent.allows('matomo')).toBe(true);
});

test('a cookie that is no id is not sent', async () => {
  document.cookie = `${COOKIE}=short; Path=/`;

  const consent = await openPage();
  await consent.ready;

  expect(service.asked).toEqual(['GET /notice']);
});

test('where cookies are blocked, the copy says who it is, as long as the cookie would have', async () => {
  vi.spyOn(document, 'cookie', 'set').mockImplementation(() => undefined);
  const first = await openPage({ cookie: { days: 10 } });
  await first.choose({ layer: 'banner', choices: { matomo: 'given' } });
  const visitor = first.visitor();
  expect(visitorCookie()).toBeUndefined();

  expect((await openPage({ cookie: { days: 10 } })).visitor()).toBe(visitor);

  vi.useFakeTimers({ now: Date.now() + 11 * 86400000, toFake: ['Date'] });
  expect((await openPage({ cookie: { days: 10 } })).visitor()).not.toBe(visitor);
});

test('where everything is blocked, the choice holds on this page and is told', async () => {
  block();
  const consent = await openPage();
  await consent.ready;

  await consent.choose({ layer: 'banner', button: 'accept_all', choices: { matomo: 'given' } });

  expect(consent.allows('matomo')).toBe(true);
  expect(service.posted).toHaveLength(1);
});

test('who is somebody else now has another id and nothing that was known', async () => {
  const consent = await openPage();
  await consent.choose({ layer: 'banner', button: 'accept_all', choices: { matomo: 'given' } });
  const before = consent.visitor();
  const changed: string[][] = [];
  consent.on('change', (purposes) => changed.push(purposes));

  const after = consent.renewVisitor();

  expect(after).not.toBe(before);
  expect(visitorCookie()).toBe(after);
  expect(consent.allows('matomo')).toBe(false);
  await settled();
  expect(changed.flat()).toContain('matomo');
  expect(consent.mustAsk()).toBe(true);
});

test('where there is no room any more, the next page acts upon nothing that has changed since', async () => {
  const first = await openPage();
  await first.choose({ layer: 'banner', choices: { matomo: 'given' } });
  vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });
  await first.choose({ layer: 'settings', choices: { matomo: 'withdrawn' } });
  expect(first.allows('matomo')).toBe(false);

  const consent = await openPage();

  expect(consent.allows('matomo')).toBe(false);
});
