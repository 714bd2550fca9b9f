import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { gate, type GateOptions } from '../../src/gating/index.js';
import { newBrowser, settled } from '../page.js';
import { Stands } from './stands.js';

const reload = vi.fn();
const ends: (() => void)[] = [];

function begin(stands: Stands, options: GateOptions = {}): () => void {
  const end = gate(stands.consent, options);
  ends.push(end);
  return end;
}

beforeEach(() => {
  newBrowser();
  reload.mockClear();
  const { hostname, pathname, href } = location;
  vi.stubGlobal('location', { hostname, pathname, href, reload });
  delete page().ran;
  for (const name of ['_paq', 'fbq', 'dataLayer', 'gtag']) delete (window as any)[name];
});

afterEach(() => {
  for (const end of ends.splice(0)) end();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const script = (attributes: string, text = ''): string => `<script type="text/plain" ${attributes}>${text}</script>`;
/** The window that scripts of the page run in, which is not that of the tests. */
const page = (): { ran?: string[] } => (globalThis as unknown as { jsdom: { window: { ran?: string[] } } }).jsdom.window;
const ran = (): string[] => page().ran ?? [];
const runs = (word: string): string => `(window.ran ??= []).push('${word}')`;
const sources = (): string[] => [...document.scripts].filter(({ type }) => !type).map((one) => one.src);

test('a script runs when its purpose is allowed, and not before', () => {
  document.body.innerHTML = script('data-consent="matomo"', runs('matomo')) + script('data-consent="pixel"', runs('pixel'));
  const stands = new Stands({ matomo: false, pixel: false });
  begin(stands);
  expect(ran()).toEqual([]);

  stands.set('matomo', true);

  expect(ran()).toEqual(['matomo']);
});

test('what is allowed already runs at once, in the same task', () => {
  document.body.innerHTML = script('data-consent="matomo"', runs('matomo'));

  begin(new Stands({ matomo: true }));

  expect(ran()).toEqual(['matomo']);
});

test('a purpose that the site does not have is told once in the console, by its name alone', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  document.body.innerHTML =
    script('data-consent="matomo-typo"') +
    script('data-consent="matomo matomo-typo"') +
    '<iframe data-consent="constructor" data-consent-src="https://films.example/a"></iframe>';
  const stands = new Stands({ matomo: false });
  begin(stands);
  await settled();
  stands.set('matomo', true);
  document.body.append(document.createElement('p'));
  await settled();

  expect(warned.mock.calls).toEqual(
    ['matomo-typo', 'constructor'].map((name) => [
      `consent: this site has no purpose "${name}", so what waits for it never runs.`,
    ]),
  );
});

test('nothing is told of a purpose that is there, or that the notice has since', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  document.body.innerHTML = script('data-consent="pixel"') + script('data-consent="film"');
  begin(new Stands({ pixel: false }));
  await settled();

  expect(warned).not.toHaveBeenCalled();
});

test('a script runs once, however often what stands changes', () => {
  document.body.innerHTML = script('data-consent="matomo"', runs('matomo'));
  const stands = new Stands({ matomo: true });
  begin(stands, { reload: false });

  stands.set('matomo', false);
  stands.set('matomo', true);

  expect(ran()).toEqual(['matomo']);
});

test('a script of several purposes waits for all of them', () => {
  document.body.innerHTML = script('data-consent="matomo pixel"', runs('both'));
  const stands = new Stands({ matomo: true, pixel: false });
  begin(stands);
  expect(ran()).toEqual([]);

  stands.set('pixel', true);

  expect(ran()).toEqual(['both']);
});

test.each(['', ' ', 'constructor', 'nobody'])('a script of the purposes "%s" never runs', (purposes) => {
  document.body.innerHTML = script(`data-consent="${purposes}"`, runs('it'));

  begin(new Stands({ matomo: true }));

  expect(ran()).toEqual([]);
});

test('a script that comes late waits like any other', async () => {
  const stands = new Stands({ matomo: true, pixel: false });
  begin(stands);
  const box = document.createElement('div');
  box.innerHTML = script('data-consent="matomo"', runs('late')) + script('data-consent="pixel"', runs('later'));
  document.body.append(box);
  await settled();
  expect(ran()).toEqual(['late']);

  stands.set('pixel', true);

  expect(ran()).toEqual(['late', 'later']);
});

test('scripts of a purpose follow each other, though one has to be fetched', async () => {
  document.body.innerHTML =
    script('data-consent="matomo" data-consent-src="https://stats.example/one.js"') +
    script('data-consent="matomo"', runs('after')) +
    script('data-consent="pixel"', runs('other'));
  begin(new Stands({ matomo: true, pixel: true }));
  expect(sources()).toContain('https://stats.example/one.js');
  expect(ran()).toEqual(['other']);

  [...document.scripts].find(({ src }) => src)?.dispatchEvent(new Event('load'));
  await settled();

  expect(ran()).toEqual(['other', 'after']);
});

test('a script that cannot be fetched holds up none behind it', async () => {
  document.body.innerHTML =
    script('data-consent="matomo" src="https://stats.example/one.js"') + script('data-consent="matomo"', runs('after'));
  begin(new Stands({ matomo: true }));

  [...document.scripts].find(({ src }) => src)?.dispatchEvent(new Event('error'));
  await settled();

  expect(ran()).toEqual(['after']);
});

test('what is withdrawn while the script before it loads does not run', async () => {
  document.body.innerHTML =
    script('data-consent="matomo" src="https://stats.example/one.js"') + script('data-consent="matomo"', runs('after'));
  const stands = new Stands({ matomo: true });
  begin(stands, { reload: false });
  const loading = [...document.scripts].find(({ src, type }) => src && !type);

  stands.set('matomo', false);
  loading?.dispatchEvent(new Event('load'));
  await settled();
  expect(ran()).toEqual([]);

  stands.set('matomo', true);
  await settled();
  expect(ran()).toEqual(['after']);
});

test('a script keeps its attributes, its kind and its nonce', () => {
  document.body.innerHTML = script(
    'data-consent="matomo" data-consent-type="module" data-consent-src="https://stats.example/m.js" id="it" async data-site="7" crossorigin="anonymous"',
  );
  (document.body.firstElementChild as HTMLScriptElement).nonce = 'abc';

  begin(new Stands({ matomo: true }));

  const found = document.getElementById('it') as HTMLScriptElement;
  expect(found.type).toBe('module');
  expect(found.nonce).toBe('abc');
  expect(found.dataset['site']).toBe('7');
  expect(found.crossOrigin).toBe('anonymous');
});

test('a page that takes scripts from policies alone gets them from one', () => {
  const createPolicy = vi.fn((_: string, rules: object) => rules);
  vi.stubGlobal('trustedTypes', { createPolicy });
  document.body.innerHTML = script('data-consent="matomo"', runs('matomo'));

  begin(new Stands({ matomo: true }));

  expect(createPolicy).toHaveBeenCalledWith('consent-service', expect.anything());
  expect(ran()).toEqual(['matomo']);
});

test('a frame holds back what it shows, and says what would be there', async () => {
  document.body.innerHTML = '<iframe data-consent="film" data-consent-src="https://youtu.be/abc" width="560" height="315"></iframe>';
  const stands = new Stands({ film: false });
  begin(stands);
  await settled();
  const placeholder = document.querySelector('.consent-placeholder') as HTMLElement;
  expect(document.querySelector('iframe')?.hasAttribute('src')).toBe(false);
  expect(document.querySelector('iframe')?.hidden).toBe(true);
  expect(placeholder.textContent).toContain('The film');
  expect(placeholder.textContent).toContain('What film does.');
  expect(placeholder.style.minHeight).toBe('315px');

  placeholder.querySelector('button')?.click();
  expect(stands.opened).toEqual(['film']);

  stands.set('film', true);
  expect(document.querySelector('iframe')?.src).toBe('https://www.youtube-nocookie.com/embed/abc');
  expect(document.querySelector('iframe')?.hidden).toBe(false);
  expect(document.querySelector('.consent-placeholder')).toBeNull();
});

test('a frame whose purpose is withdrawn is replaced, so that it stops', async () => {
  document.body.innerHTML = '<iframe data-consent="film" data-consent-src="https://maps.example/"></iframe>';
  const stands = new Stands({ film: true });
  begin(stands);
  const before = document.querySelector('iframe');
  expect(before?.src).toBe('https://maps.example/');

  stands.set('film', false);
  await settled();

  expect(document.querySelector('iframe')).not.toBe(before);
  expect(document.querySelector('iframe')?.hasAttribute('src')).toBe(false);
  expect(document.querySelectorAll('.consent-placeholder')).toHaveLength(1);
  expect(reload).not.toHaveBeenCalled();
});

test('images and style sheets wait too', () => {
  document.body.innerHTML =
    '<img data-consent="pixel" data-consent-src="https://px.example/1" data-consent-srcset="https://px.example/2 2x">' +
    '<link rel="stylesheet" data-consent="pixel" data-consent-href="https://fonts.example/css">';
  const [image, link] = document.body.children;
  const stands = new Stands({ pixel: false });
  begin(stands);
  expect([image?.getAttribute('src'), link?.getAttribute('href')]).toEqual([null, null]);

  stands.set('pixel', true);
  expect(image?.getAttribute('src')).toBe('https://px.example/1');
  expect(image?.getAttribute('srcset')).toBe('https://px.example/2 2x');
  expect(link?.getAttribute('href')).toBe('https://fonts.example/css');

  stands.set('pixel', false);
  expect(image?.hasAttribute('src')).toBe(false);
});

test('a withdrawal loads the page anew where nothing else stops what has run', () => {
  document.body.innerHTML = script('data-consent="chat"', runs('chat')) + script('data-consent="matomo"', runs('matomo'));
  const stands = new Stands({ chat: true, matomo: true });
  begin(stands, { matomo: 'matomo' });

  stands.set('matomo', false);
  expect(reload).not.toHaveBeenCalled();

  stands.set('chat', false);
  expect(reload).toHaveBeenCalledTimes(1);
});

test('a withdrawal calls what the page has to stop it, and then needs no new page', () => {
  document.body.innerHTML = script('data-consent="chat"', runs('chat'));
  const stop = vi.fn();
  const stands = new Stands({ chat: true });
  begin(stands, { stop: { chat: stop } });

  stands.set('chat', false);

  expect(stop).toHaveBeenCalledTimes(1);
  expect(reload).not.toHaveBeenCalled();
});

test('a withdrawal of what has not run changes nothing in the page', () => {
  const stands = new Stands({ chat: true });
  begin(stands, { stop: { chat: vi.fn() } });

  stands.set('chat', false);

  expect(reload).not.toHaveBeenCalled();
});

test('who ended it hears of nothing any more', async () => {
  const stands = new Stands({ matomo: false });
  const end = begin(stands);
  end();
  document.body.innerHTML = script('data-consent="matomo"', runs('matomo'));

  stands.set('matomo', true);
  await settled();

  expect(ran()).toEqual([]);
});

test('the cookies of what is not allowed are removed, those of what is allowed stay', () => {
  for (const name of ['_pk_id.1', '_fbp', 'shared', 'mine']) document.cookie = `${name}=1; Path=/`;
  const names = { matomo: ['_pk_id*', 'shared'], pixel: ['_fbp', 'shared'], odd: ['*'] };
  const stands = new Stands({ matomo: false, pixel: true, odd: false }, names);
  begin(stands);
  const left = (): string[] => document.cookie.split('; ').map((pair) => pair.split('=')[0] ?? '');
  expect(left().sort()).toEqual(['_fbp', 'mine', 'shared']);

  stands.set('pixel', false);

  expect(left()).toEqual(['mine']);
});

test.each([
  'Path=/; Domain=ansettr.no',
  'Path=/; Domain=www.ansettr.no',
  'Path=/jobs',
  'Path=/jobs/; Domain=ansettr.no',
  'Path=/; Secure',
])('a cookie is removed that was set with %s', (how) => {
  document.cookie = `_fbp=1; ${how}`;
  expect(document.cookie).toContain('_fbp');

  begin(new Stands({ pixel: false }, { pixel: ['_fbp'] }));

  expect(document.cookie).not.toContain('_fbp');
});
