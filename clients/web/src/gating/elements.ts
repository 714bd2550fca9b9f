import { embeddable } from './embeds.js';

/** Attributes that fetch something, and are called `data-consent-...` until they may. */
const FETCHING = ['src', 'srcset', 'href', 'poster'];

/** Purposes of an element: `data-consent="one"`, or several, all of which are needed. */
export function purposesOf(element: Element): string[] {
  return (element.getAttribute('data-consent') ?? '').split(/\s+/).filter(Boolean);
}

export function isScript(element: Element): element is HTMLScriptElement {
  return element.localName === 'script';
}

/** Whether it waits: a script that has run, and one that was never held back, do not. */
export function isWaiting(script: HTMLScriptElement): boolean {
  return script.type === 'text/plain';
}

/**
 * Puts a script that runs in the place of one that does not. Resolved when the next may follow it: those with an address have run,
 * or failed; `async` ones are not waited for.
 */
export function run(held: HTMLScriptElement): Promise<void> {
  const script = document.createElement('script');
  for (const { name, value } of [...held.attributes]) {
    if (!['type', 'src'].includes(name) && !name.startsWith('data-consent-')) script.setAttribute(name, value);
  }
  const type = held.getAttribute('data-consent-type');
  if (type) script.type = type;
  // Browsers hide the attribute from the page and keep the property; a policy with nonces asks for it.
  if (held.nonce) script.nonce = held.nonce;
  const address = held.getAttribute('data-consent-src') ?? held.getAttribute('src');
  if (address === null) script.text = trusted('createScript', held.text);
  else script.src = trusted('createScriptURL', address);
  const isFollowed = address !== null && !held.hasAttribute('async');
  if (!isFollowed) {
    held.replaceWith(script);
    return Promise.resolve();
  }
  script.async = false;
  return new Promise((resolve) => {
    script.addEventListener('load', () => resolve());
    script.addEventListener('error', () => resolve());
    held.replaceWith(script);
  });
}

/** Lets a frame, an image or a style sheet fetch what it holds back. */
export function show(element: Element): void {
  const wanted = FETCHING.flatMap((name) => {
    const address = element.getAttribute(`data-consent-${name}`);
    if (address === null) return [];
    return [[name, element.localName === 'iframe' ? embeddable(address) : address] as const];
  });
  if (wanted.every(([name, address]) => element.getAttribute(name) === address)) return;
  // Chromium forgets the address of a frame that gets one while the parser is putting it in; another frame's it does not.
  const shown = element.localName === 'iframe' ? (element.cloneNode() as Element) : element;
  for (const [name, address] of wanted) shown.setAttribute(name, address);
  if (shown !== element) element.replaceWith(shown);
}

/** The opposite. Gives the element that is there now: a frame stops only where another takes its place. */
export function hold(element: Element): Element {
  const fetching = FETCHING.filter((name) => element.hasAttribute(`data-consent-${name}`) && element.hasAttribute(name));
  if (!fetching.length) return element;
  const held = element.localName === 'iframe' ? (element.cloneNode() as Element) : element;
  for (const name of fetching) held.removeAttribute(name);
  if (held !== element) element.replaceWith(held);
  return held;
}

type Make = 'createScript' | 'createScriptURL';
type Policy = Record<Make, (text: string) => string>;
let policy: Policy | undefined;

/** For pages that take scripts from named policies alone (Trusted Types). What is held was written by the page's own author. */
function trusted(make: Make, text: string): string {
  const { trustedTypes } = window as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } };
  policy ??= trustedTypes?.createPolicy('consent-service', { createScript: (own) => own, createScriptURL: (own) => own });
  return policy ? policy[make](text) : text;
}
