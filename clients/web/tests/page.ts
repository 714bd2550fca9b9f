import { vi } from 'vitest';
import type { Consent, Options } from '../src/core/types.js';

export const ENDPOINT = 'https://consent.example/site/v1/ansettr-web';
export const KEY = 'consent:ansettr-web';
export const COOKIE = 'consent_ansettr-web';

const listening: [string, EventListener][] = [];
const { addEventListener, removeEventListener } = globalThis;

/** A new page of the site in the same browser: the client as if it had just been loaded. */
export async function openPage(options: Partial<Options> = {}): Promise<Consent> {
  vi.resetModules();
  const { createConsent } = await import('../src/core/index.js');
  return createConsent({ endpoint: ENDPOINT, ...options });
}

/** Everything that a browser keeps is gone, and so are the pages. */
export function newBrowser(): void {
  closePages();
  // What `block` put in its place.
  delete (document as { cookie?: string }).cookie;
  localStorage.clear();
  for (const pair of document.cookie.split('; ')) document.cookie = `${pair.split('=')[0]}=; Path=/; Max-Age=0`;
  document.documentElement.lang = '';
  document.head.replaceChildren();
  document.body.replaceChildren();
  vi.stubGlobal('addEventListener', (type: string, heard: EventListener) => {
    listening.push([type, heard]);
    addEventListener(type, heard);
  });
}

/** Pages that were left hear nothing any more. */
export function closePages(): void {
  for (const [type, heard] of listening.splice(0)) removeEventListener(type, heard);
}

/** Until nothing is under way that needs no clock. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
}

/** The `storage` event as another page of the site causes it. */
export function storageChanged(key: string | null): void {
  dispatchEvent(new StorageEvent('storage', { key }));
}

export function visitorCookie(): string | undefined {
  return document.cookie
    .split('; ')
    .find((pair) => pair.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1);
}

/** As a browser that lets the page keep nothing. */
export function block(): void {
  const refuse = (): never => {
    throw new DOMException('blocked', 'SecurityError');
  };
  Object.defineProperty(document, 'cookie', { configurable: true, get: refuse, set: refuse });
  vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse, removeItem: refuse });
}
