/** `<consent-banner>`: asks where there is something to ask, and stays at hand for who changes their mind. */
import type { Button, Consent, Layer, Notice } from '../core/index.js';
import { draw, make } from './elements.js';
import { bannerLayer, settingsLayer } from './layers.js';
import { acceptAll, closed, refuseAll, saved, type Choices } from './saying.js';
import { STYLE } from './style.js';
import { ownWords } from './words.js';

export const NAME = 'consent-banner';
const SLIDERS = 'M4 7h8m6 0h2M4 17h2m6 0h8M18 7a3 3 0 1 1-6 0a3 3 0 1 1 6 0M12 17a3 3 0 1 1-6 0a3 3 0 1 1 6 0';

/**
 * The banner and its settings, in a shadow tree with a style sheet of its own that no policy for styles refuses.
 *
 * Nothing is shown before `consent` is set. Taken out of the page it comes back, unless `consent` was taken from it first. Attributes: `theme` light or dark instead of the browser's; `reopen="none"`
 * leaves out "Your choices", for pages that have a control of their own with the attribute `data-consent-settings`.
 */
export class ConsentBanner extends HTMLElement {
  #consent: Consent | undefined;
  #shadow = this.attachShadow({ mode: 'open' });
  #shown: HTMLElement | undefined;
  #dialog: HTMLDialogElement | undefined;
  #reopen = make('button', { type: 'button', class: 'reopen', part: 'reopen', 'aria-haspopup': 'dialog', hidden: true });
  #said = make('p', { class: 'said', role: 'status' });
  #room = new CSSStyleSheet();
  #left = new AbortController();

  /** What it asks for; whoever has it can listen, and read what is allowed. */
  get consent(): Consent | undefined {
    return this.#consent;
  }

  set consent(consent: Consent | undefined) {
    this.#consent = consent;
    if (this.isConnected) this.#start();
  }

  connectedCallback(): void {
    const style = new CSSStyleSheet();
    style.replaceSync(STYLE);
    this.#shadow.adoptedStyleSheets = [style];
    this.#shadow.replaceChildren(this.#reopen, this.#said);
    this.#start();
  }

  disconnectedCallback(): void {
    this.#left.abort();
    this.#takeAway();
    queueMicrotask(() => this.#comeBack());
  }

  /** Where a page swaps its body or all that is in it, without a load (Turbo, htmx), what is there then asks on. */
  #comeBack(): void {
    if (this.isConnected || !this.#consent) return;
    const other = document.querySelector(NAME);
    if (!other) document.body?.prepend(this);
    else other.consent ??= this.#consent;
  }

  /** Show the settings, at one purpose where it is named: at any time, from a control of the page's own. */
  async open(purpose?: string | null): Promise<void> {
    const notice = await this.#notice();
    if (!notice || !this.#consent || this.#dialog) return;
    const { dialog, read } = settingsLayer(notice, this.#consent.standing(), (button) =>
      this.#press('settings', button, notice, read()),
    );
    this.#dialog = dialog;
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      this.#press('settings', 'close', notice);
    });
    if (this.#shown) this.#shown.hidden = true;
    this.#shadow.append(dialog);
    dialog.showModal();
    const wanted = purpose && dialog.querySelector(`#purpose-${CSS.escape(purpose)}`)?.closest('.purpose');
    if (!wanted) return;
    wanted.scrollIntoView({ block: 'center' });
    wanted.querySelector('input')?.focus();
  }

  #start(): void {
    const consent = this.#consent;
    if (!consent) return;
    this.#left.abort();
    this.#left = new AbortController();
    const { signal } = this.#left;
    const words = ownWords(document.documentElement.lang || navigator.language);
    this.#reopen.replaceChildren(draw(SLIDERS), words.reopen);
    this.#reopen.lang = words.language;
    this.#reopen.addEventListener('click', ({ detail }) => detail < 2 && void this.open(), { signal });
    document.addEventListener('click', (event) => this.#heard(event), { signal });
    window.addEventListener('online', () => void this.#look(), { signal });
    for (const event of ['change', 'ask'] as const) {
      signal.addEventListener('abort', consent.on(event, () => void this.#look()));
    }
    signal.addEventListener('abort', consent.on('settings', (purpose) => void this.open(purpose)));
    void consent.ready.then(() => this.#look());
  }

  #heard(event: Event): void {
    const control = event.target instanceof Element && event.target.closest('[data-consent-settings]');
    if (!control) return;
    event.preventDefault();
    void this.open();
  }

  /** Ask where there is something to ask; else leave the page alone. */
  async #look(): Promise<void> {
    const asks = this.#consent?.mustAsk() ?? false;
    // Settings that somebody has before them stay, whatever is heard meanwhile.
    if (!asks) this.#takeBannerAway();
    this.#reopen.hidden = asks || this.getAttribute('reopen') === 'none';
    if (!asks || this.#shown || this.#dialog) return;
    const notice = await this.#notice();
    if (!notice || this.#shown || this.#dialog || !this.isConnected || !this.#consent?.mustAsk()) return;
    this.#show(notice);
  }

  #show(notice: Notice): void {
    const shown = bannerLayer(notice, (button) => this.#press('banner', button, notice));
    shown.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#press('banner', 'close', notice);
    });
    this.#shown = shown;
    this.#shadow.prepend(shown);
    this.#say(`${notice.texts['title']}. ${notice.texts['introduction']}`);
    this.#makeRoom(shown);
  }

  #press(layer: Layer, button: Button, notice: Notice, on: ReadonlySet<string> = new Set()): void {
    if (button === 'settings') {
      void this.open();
      return;
    }
    const standings = this.#consent?.standing() ?? {};
    const asked = this.#consent?.mustAsk() ?? false;
    const says: Partial<Record<Button, () => Choices>> = {
      accept_all: () => acceptAll(notice),
      refuse_all: () => refuseAll(notice),
      save: () => saved(notice, standings, on),
      close: () => (asked ? closed(notice, standings) : {}),
    };
    const choices = says[button]?.() ?? {};
    this.#takeAway();
    this.#reopen.hidden = this.getAttribute('reopen') === 'none';
    // Where what had the focus is gone, "Your choices" is nearest; else it is back at what opened the settings.
    if (document.activeElement === document.body) this.#reopen.focus({ preventScroll: true });
    if (!Object.keys(choices).length) return;
    const screenHash = notice.layers.find((one) => one.layer === layer)?.screen_hash ?? notice.screen_hash;
    void this.#consent?.choose({ layer, button, choices, screenHash, language: notice.language });
    if (button !== 'close') this.#say(ownWords(notice.language).saved);
  }

  #takeAway(): void {
    this.#takeBannerAway();
    this.#dialog?.close();
    this.#dialog?.remove();
    this.#dialog = undefined;
  }

  #takeBannerAway(): void {
    this.#shown?.remove();
    this.#shown = undefined;
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== this.#room);
  }

  /** Nobody's focus hides behind the banner, and a page that scrolls can be read to its end (WCAG 2.4.11). */
  #makeRoom(shown: HTMLElement): void {
    const page = document.documentElement;
    const height = shown.offsetHeight + 32;
    const end = page.scrollHeight > page.clientHeight ? `html::after{content:"";display:block;height:${height}px}` : '';
    this.#room.replaceSync(`html{scroll-padding-bottom:${height}px}${end}`);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, this.#room];
  }

  /** To those who listen, once what was shown is in place. */
  #say(words: string): void {
    this.#said.textContent = '';
    requestAnimationFrame(() => (this.#said.textContent = words));
  }

  async #notice(): Promise<Notice | undefined> {
    try {
      const notice = await this.#consent?.notice();
      if (notice) this.lang = notice.language;
      return notice;
    } catch {
      // Nothing can be shown, so nothing is allowed; it is tried again when the network is back.
      return undefined;
    }
  }
}
