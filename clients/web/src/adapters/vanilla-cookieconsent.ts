import type { Category, CookieConsentConfig, Section, Service, Translation } from 'vanilla-cookieconsent';
import type { Button, Consent, Layer, Notice, NoticePurpose } from '../core/types.js';
import { hasSwitch, isRequired, sayings, tell } from './saying.js';

/** What is used of the library: the module itself, `import * as CookieConsent from 'vanilla-cookieconsent'`. */
export type Library = Pick<
  typeof import('vanilla-cookieconsent'),
  | 'run'
  | 'reset'
  | 'acceptCategory'
  | 'acceptService'
  | 'acceptedCategory'
  | 'acceptedService'
  | 'getUserPreferences'
  | 'showPreferences'
  | 'validConsent'
>;

/** The library's own configuration but for its texts, which come from the notice. */
export interface Config extends Omit<CookieConsentConfig, 'language' | 'categories' | 'revision'> {
  /** Without them each purpose is a category. */
  categories?: Record<string, Category>;
}

export interface AdapterOptions {
  /**
   * The purposes of each category. Not needed where a category is named as its purpose is, or has services that are: then each
   * service is a purpose.
   */
  purposes?: Record<string, string[]>;
}

const COOKIE = 'cc_cookie';
const BUTTONS: Record<string, Button> = { all: 'accept_all', necessary: 'refuse_all', custom: 'save', save: 'save' };

/** Runs the library as the banner of this consent: it shows the notice, and what is chosen in it is told. */
export async function runCookieConsent(
  consent: Consent,
  library: Library,
  config: Config = {},
  options: AdapterOptions = {},
): Promise<void> {
  await consent.ready;
  const banner = new Banner(consent, library, config, options);
  await banner.run();
}

class Banner {
  readonly #consent: Consent;
  readonly #library: Library;
  readonly #config: Config;
  readonly #options: AdapterOptions;
  #notice!: Notice;
  #running: Promise<void> | undefined;
  #categories: Record<string, Category> = {};
  /** While the library is told, it tells nothing. */
  #isAligning = false;
  #pressed: { layer: Layer; button: Button | null } | null = null;

  constructor(consent: Consent, library: Library, config: Config, options: AdapterOptions) {
    this.#consent = consent;
    this.#library = library;
    this.#config = config;
    this.#options = options;
    document.addEventListener('click', (event) => this.#press(event), true);
    addEventListener('cc:onFirstConsent', () => this.#saved(true));
    addEventListener('cc:onChange', () => this.#saved(false));
    consent.on('change', () => this.#align());
    consent.on('settings', () => library.showPreferences());
    consent.on('ask', (askings) => {
      const isOutdated = askings.some(({ reason }) => reason === 'outdated');
      if (isOutdated || (consent.mustAsk() && library.validConsent())) void this.#runAnew();
    });
  }

  run(): Promise<void> {
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    this.#notice = await this.#consent.notice();
    this.#categories = this.#config.categories ?? this.#ownCategories();
    const kept = this.#kept();
    const must = this.#consent.mustAsk();
    const { language } = this.#notice;
    await this.#library.run({
      ...this.#config,
      // Shown when the ledger says so; where the library's own memory says otherwise, it is made not to count.
      autoShow: must && this.#config.autoShow !== false,
      revision: kept.revision + (must || kept.isOff ? 1 : 0),
      categories: this.#categories,
      language: { default: language, translations: { [language]: this.#translation() } },
    });
    if (!must) this.#align();
  }

  /** With the notice as it is now, and a revision that makes the library ask again. */
  async #runAnew(): Promise<void> {
    await this.#running;
    this.#library.reset(false);
    await this.run();
  }

  /** Each purpose is a category; what is required stands there, and cannot be switched off. */
  #ownCategories(): Record<string, Category> {
    const categories: Record<string, Category> = {};
    for (const one of this.#notice.purposes) {
      if (isRequired(one)) categories[one.purpose] = { enabled: true, readOnly: true };
      else if (hasSwitch(one)) categories[one.purpose] = { enabled: one.allowed_by_default };
    }
    return categories;
  }

  /** The purposes of a category, each with the service that switches it, or none where the category does. */
  #members(name: string): { purpose: string; service: string | null }[] {
    const category = this.#categories[name];
    if (!category || category.readOnly) return [];
    const known = new Set(this.#notice.purposes.map(({ purpose }) => purpose));
    const services = Object.keys(category.services ?? {}).filter((service) => known.has(service));
    if (services.length) return services.map((service) => ({ purpose: service, service }));
    const listed = this.#options.purposes?.[name] ?? [name];
    return listed.filter((purpose) => known.has(purpose)).map((purpose) => ({ purpose, service: null }));
  }

  /** What the library remembers of an earlier page, and whether it would run what the ledger does not allow. */
  #kept(): { revision: number; isOff: boolean } {
    const { name = COOKIE, useLocalStorage } = this.#config.cookie ?? {};
    let value: { revision?: number; categories?: string[]; services?: Record<string, string[]> } = {};
    try {
      const pair = document.cookie.split('; ').find((one) => one.startsWith(`${name}=`));
      const text = useLocalStorage ? localStorage.getItem(name) : pair?.slice(name.length + 1);
      value = JSON.parse(decodeURIComponent(text ?? '%7B%7D')) ?? {};
    } catch {
      // Not readable, or nothing of the library's: it will find nothing either.
    }
    const isOff = (value.categories ?? []).some((category) =>
      this.#members(category).some(
        ({ purpose, service }) =>
          (service === null || value.services?.[category]?.includes(service)) && !this.#consent.allows(purpose),
      ),
    );
    return { revision: value.revision ?? 0, isOff };
  }

  /** Bring the library to what the ledger says: withdrawn elsewhere is withdrawn here. */
  #align(): void {
    if (this.#consent.mustAsk() || !this.#notice) return;
    const on = (purpose: string): boolean => this.#consent.allows(purpose);
    const accepted: string[] = [];
    const services: [string, string[]][] = [];
    for (const name of Object.keys(this.#categories)) {
      const members = this.#members(name);
      if (members.length && members.every(({ service, purpose }) => service === null && on(purpose))) accepted.push(name);
      const chosen = members.filter(({ service, purpose }) => service !== null && on(purpose));
      if (members.some(({ service }) => service !== null)) services.push([name, chosen.map(({ purpose }) => purpose)]);
      if (chosen.length) accepted.push(name);
    }
    if (this.#library.validConsent() && this.#isAligned(accepted, services)) return;
    this.#isAligning = true;
    this.#library.acceptCategory(accepted);
    for (const [name, chosen] of services) this.#library.acceptService(chosen, name);
    this.#isAligning = false;
  }

  #isAligned(accepted: string[], services: [string, string[]][]): boolean {
    const isOwn = (name: string): boolean => this.#members(name).length > 0;
    return (
      Object.keys(this.#categories)
        .filter(isOwn)
        .every((name) => this.#library.acceptedCategory(name) === accepted.includes(name)) &&
      services.every(([name, chosen]) =>
        Object.keys(this.#categories[name]?.services ?? {}).every(
          (service) => this.#library.acceptedService(service, name) === chosen.includes(service),
        ),
      )
    );
  }

  #press(event: Event): void {
    const button = event.target instanceof Element ? event.target.closest('#cc-main button') : null;
    if (!button) return;
    const layer: Layer = button.closest('.pm') ? 'settings' : 'banner';
    this.#pressed = { layer, button: BUTTONS[button.getAttribute('data-role') ?? ''] ?? null };
  }

  #saved(isFirst: boolean): void {
    if (this.#isAligning) return;
    const { acceptType, acceptedCategories, acceptedServices } = this.#library.getUserPreferences();
    const switches: Record<string, boolean> = {};
    for (const name of Object.keys(this.#categories)) {
      for (const { purpose, service } of this.#members(name)) {
        switches[purpose] =
          service === null ? acceptedCategories.includes(name) : !!acceptedServices[name]?.includes(service);
      }
    }
    // A site's own button, outside the library's, is known by what it did alone.
    const { layer = 'banner', button = null } = this.#pressed ?? {};
    this.#pressed = null;
    const choices = sayings(this.#consent, this.#notice, switches, isFirst);
    tell(this.#consent, layer, button ?? BUTTONS[acceptType] ?? 'save', choices);
  }

  #translation(): Translation {
    const { texts, purposes } = this.#notice;
    const text = (name: string): string => escape(texts[name] ?? '');
    const listed = Object.keys(this.#categories).flatMap((name) => this.#purposesOf(name));
    const shown = listed.map((one) => `<details><summary>${escape(one.notice.name)}</summary>${paragraphs(one)}</details>`);
    return {
      consentModal: {
        title: text('title'),
        description: `<p>${text('introduction')}</p>${shown.join('')}`,
        acceptAllBtn: text('accept_all'),
        acceptNecessaryBtn: text('refuse_all'),
        showPreferencesBtn: text('settings'),
      },
      preferencesModal: {
        title: text('title'),
        acceptAllBtn: text('accept_all'),
        acceptNecessaryBtn: text('refuse_all'),
        savePreferencesBtn: text('save'),
        closeIconLabel: text('close'),
        sections: [
          { description: text('introduction') },
          ...Object.keys(this.#categories).map((name) => this.#section(name)),
          ...purposes.filter((one) => !listed.includes(one)).map((one) => ({ title: escape(one.notice.name), description: paragraphs(one) })),
        ],
      },
    };
  }

  #section(name: string): Section {
    const purposes = this.#purposesOf(name);
    for (const [slug, service] of Object.entries(this.#categories[name]?.services ?? {})) {
      const told = purposes.find(({ purpose }) => purpose === slug);
      if (told) (service as Service).label = escape(told.notice.name);
    }
    return {
      title: purposes.map((one) => escape(one.notice.name)).join(', ') || escape(name),
      description: purposes.map(paragraphs).join(''),
      linkedCategory: name,
    };
  }

  #purposesOf(name: string): NoticePurpose[] {
    const own = this.#categories[name]?.readOnly
      ? (this.#options.purposes?.[name] ?? [name])
      : this.#members(name).map(({ purpose }) => purpose);
    return own.flatMap((slug) => this.#notice.purposes.filter(({ purpose }) => purpose === slug));
  }
}

function paragraphs({ notice }: NoticePurpose): string {
  return notice.description
    .split(/\n{2,}/)
    .map((part) => `<p>${escape(part)}</p>`)
    .join('');
}

/** The library takes markup for texts; the notice's are none. */
function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
