import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Asking } from '../../src/core/types.js';
import { KEY, newBrowser, openPage, settled } from '../page.js';
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

test('whoever was erased begins anew (410 at choosing)', async () => {
  const consent = await openPage();
  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });
  const before = consent.visitor();
  service.instead = [{ status: 410 }];

  await consent.choose({ layer: 'banner', choices: { pixel: 'given' } });

  expect(waiting()).toEqual([]);
  expect(consent.allows('pixel')).toBe(false);
  expect(consent.mustAsk()).toBe(true);
  await consent.choose({ layer: 'banner', choices: { pixel: 'given' } });
  expect(consent.visitor()).not.toBe(before);
  expect(service.status(consent.visitor(), 'pixel')).toBe('given');
});

test('a yes to what has changed since is not held to, and asked again on the present notice', async () => {
  const consent = await openPage();
  await consent.ready;
  const asked: Asking[][] = [];
  consent.on('ask', (askings) => asked.push(askings));
  service.askAgain = [{ purpose: 'matomo', reason: 'outdated' }];
  service.notice = { ...service.notice, layers: [{ layer: 'banner', buttons: [], screen_hash: 'newer' }] };

  await consent.choose({ layer: 'banner', choices: { matomo: 'given', pixel: 'refused' } });

  expect(consent.allows('matomo')).toBe(false);
  expect(asked).toEqual([[{ purpose: 'matomo', reason: 'outdated' }]]);
  expect((await consent.notice()).layers[0]?.screen_hash).toBe('newer');

  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });
  expect(consent.allows('matomo')).toBe(true);
  expect(consent.mustAsk()).toBe(false);
  expect(service.posted[1]?.body['screen_hash']).toBe('newer');
});

test('what is outdated is asked again, though other purposes were being asked about all along', async () => {
  const consent = await openPage();
  await consent.ready;
  const asked: Asking[][] = [];
  consent.on('ask', (askings) => asked.push(askings));
  service.askAgain = [{ purpose: 'matomo', reason: 'outdated' }];

  await consent.choose({ layer: 'settings', choices: { matomo: 'given' } });

  expect(asked).toEqual([
    [
      { purpose: 'matomo', reason: 'outdated' },
      { purpose: 'pixel', reason: 'unasked' },
    ],
  ]);
});

test('a yes over an older no that was outdated is asked again, though a no needs no asking', async () => {
  const consent = await openPage();
  await consent.choose({ layer: 'banner', choices: { matomo: 'refused', pixel: 'refused' } });
  service.askAgain = [{ purpose: 'matomo', reason: 'outdated' }];

  await consent.choose({ layer: 'settings', choices: { matomo: 'given' } });

  expect(consent.mustAsk()).toBe(true);
});

test('where an address has to be confirmed, that is told, and no banner is asked for', async () => {
  const consent = await openPage();
  await consent.choose({ layer: 'banner', choices: { matomo: 'refused' } });
  const asked: Asking[][] = [];
  consent.on('ask', (askings) => asked.push(askings));
  service.askAgain = [{ purpose: 'pixel', reason: 'confirmation_needed' }];
  service.say(consent.visitor(), 'pixel', 'refused');

  await consent.choose({ layer: 'settings', choices: { pixel: 'given' } });

  expect(asked).toEqual([[{ purpose: 'pixel', reason: 'confirmation_needed' }]]);
  expect(consent.mustAsk()).toBe(false);
});

test('what somebody chose before the browser was another’s is told under the id of then, and holds for nobody else', async () => {
  const consent = await openPage();
  await consent.ready;
  service.isAway = true;
  await consent.choose({ layer: 'banner', choices: { matomo: 'given' } });
  const before = consent.visitor();

  const after = consent.renewVisitor();
  service.isAway = false;
  dispatchEvent(new Event('online'));
  await settled();

  expect(service.posted.map(({ visitor }) => visitor)).toEqual([before]);
  expect(after).not.toBe(before);
  expect(consent.allows('matomo')).toBe(false);
  expect(consent.mustAsk()).toBe(true);
});
