import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { embeddable } from '../../src/gating/index.js';
import { denyFirst, tellVendors, type Vendors } from '../../src/gating/vendors.js';

const own = window as { _paq?: any; fbq?: any; dataLayer?: any[]; gtag?: any };

beforeEach(() => {
  for (const name of ['_paq', 'fbq', 'dataLayer', 'gtag'] as const) delete own[name];
});
afterEach(() => vi.restoreAllMocks());

function tell(vendors: Vendors, ...allowed: string[]): void {
  const changed = new Set(['matomo', 'pixel', 'ads', 'statistics']);
  tellVendors(vendors, changed, (purpose) => allowed.includes(purpose));
}

const layer = (): unknown[][] => (own.dataLayer ?? []).map((call) => [...call]);

test('Matomo needs consent before anything, is given it, and is told to forget it', () => {
  denyFirst({ matomo: 'matomo' });
  tell({ matomo: 'matomo' }, 'matomo');
  tell({ matomo: 'matomo' });

  expect(own._paq).toEqual([
    ['requireConsent'],
    ['setConsentGiven'],
    ['forgetConsentGiven', 8760],
    ['requireConsent'],
  ]);
});

test('Matomo that runs already is spoken to through its own queue', () => {
  const push = vi.fn();
  own._paq = { push };

  tell({ matomo: 'matomo' }, 'matomo');

  expect(push).toHaveBeenCalledWith(['setConsentGiven']);
});

test('the Meta pixel is revoked and granted, once it is there', () => {
  tell({ meta: 'pixel' }, 'pixel');
  own.fbq = vi.fn();
  tell({ meta: 'pixel' });
  tell({ meta: 'pixel' }, 'pixel');

  expect(own.fbq.mock.calls).toEqual([
    ['consent', 'revoke'],
    ['consent', 'grant'],
  ]);
});

test('Google is told before any tag that all is denied, and afterwards what is granted', () => {
  const google: Vendors['google'] = {
    ads: ['ad_storage', 'ad_user_data', 'ad_personalization'],
    statistics: ['analytics_storage', 'functionality_storage'],
  };
  denyFirst({ google });
  tell({ google }, 'statistics');

  const denied = { ad_storage: 'denied', ad_user_data: 'denied', ad_personalization: 'denied' };
  expect(layer()).toEqual([
    [
      'consent',
      'default',
      { ...denied, analytics_storage: 'denied', functionality_storage: 'denied', wait_for_update: 500 },
    ],
    ['consent', 'update', { ...denied, analytics_storage: 'granted', functionality_storage: 'granted' }],
  ]);
});

test('signals that no purpose grants are denied all the same, and each only by all its purposes', () => {
  const google: Vendors['google'] = { ads: ['ad_storage'], pixel: ['ad_storage'] };
  denyFirst({ google });
  tell({ google }, 'ads');
  tell({ google }, 'ads', 'pixel');

  expect(layer().map((call) => (call[2] as Record<string, string>)['ad_storage'])).toEqual(['denied', 'denied', 'granted']);
  expect(layer()[0]?.[2]).toMatchObject({ analytics_storage: 'denied', ad_user_data: 'denied' });
});

test('Google gets arguments, which it tells from an array', () => {
  denyFirst({ google: { ads: ['ad_storage'] } });

  expect(Object.prototype.toString.call(own.dataLayer?.[0])).toBe('[object Arguments]');
});

test('a gtag that is there already is used', () => {
  own.gtag = vi.fn();

  denyFirst({ google: { ads: ['ad_storage'] } });

  expect(own.gtag).toHaveBeenCalledWith('consent', 'default', expect.anything());
  expect(own.dataLayer).toEqual([]);
});

test('vendors whose purposes have not changed are left alone', () => {
  tellVendors({ matomo: 'matomo', google: { ads: ['ad_storage'] } }, new Set(['other']), () => true);

  expect(own).not.toHaveProperty('_paq');
  expect(own).not.toHaveProperty('dataLayer');
});

test.each([
  ['https://www.youtube.com/watch?v=abc', 'https://www.youtube-nocookie.com/embed/abc'],
  ['https://www.youtube.com/watch?v=abc&t=1m30s', 'https://www.youtube-nocookie.com/embed/abc?start=90'],
  ['https://youtu.be/abc?t=90', 'https://www.youtube-nocookie.com/embed/abc?start=90'],
  ['https://m.youtube.com/shorts/abc', 'https://www.youtube-nocookie.com/embed/abc'],
  ['https://www.youtube.com/embed/abc?rel=0', 'https://www.youtube-nocookie.com/embed/abc?rel=0'],
  ['https://www.youtube-nocookie.com/embed/abc', 'https://www.youtube-nocookie.com/embed/abc'],
  ['https://www.youtube.com/embed/videoseries?list=PL1', 'https://www.youtube-nocookie.com/embed/videoseries?list=PL1'],
  ['https://youtube.com.example/watch?v=abc', 'https://youtube.com.example/watch?v=abc'],
  ['https://maps.example/place', 'https://maps.example/place'],
  ['/demo/film', '/demo/film'],
])('%s is embedded as %s', (given, embedded) => {
  expect(embeddable(given)).toBe(embedded);
});
