import { removeCookies } from '../gating/cookies.js';
import type { Button, Consent, Layer, Notice, NoticePurpose } from '../core/types.js';
import { hasSwitch, isRequired, sayings, tell } from './saying.js';

/** A service of klaro's configuration; its `name` is the purpose. */
export interface Service {
  name: string;
  required?: boolean;
  [more: string]: unknown;
}

/** Klaro's own configuration but for its texts, which come from the notice. */
export interface Config {
  /** Without them each purpose is a service. */
  services?: Service[];
  storageMethod?: string;
  storageName?: string;
  cookieName?: string;
  elementID?: string;
  translations?: Record<string, unknown>;
  [more: string]: unknown;
}

interface Manager {
  confirmed: boolean;
  consents: Record<string, boolean>;
  watch(watcher: { update(manager: unknown, event: string, data: unknown): void }): void;
  updateConsent(name: string, isOn: boolean): unknown;
  saveAndApplyConsents(kind?: string): void;
  resetConsents(): void;
}

/** What is used of the library: the module itself, `import * as klaro from 'klaro'`. */
export interface Library {
  render(config: object, options?: object): unknown;
  show(config?: object, modal?: boolean): unknown;
  getManager(config?: object): Manager;
}

const OWN = 'ledger';
const BUTTONS: Record<string, Button> = { accept: 'accept_all', decline: 'refuse_all' };

/** Runs the library as the banner of this consent, in place of `klaro.setup`: it shows the notice, and what is chosen in it is told. */
export async function runKlaro(consent: Consent, klaro: Library, config: Config = {}): Promise<void> {
  await consent.ready;
  const notice = await consent.notice();
  const shown = withTexts(config, notice);
  // The library runs what it remembers as soon as it starts. The ledger alone says what may run, so it is to remember nothing.
  forget(shown);
  const manager = klaro.getManager(shown);
  let current = notice;
  const align = (): void => {
    if (consent.mustAsk()) return;
    const different = shown.services.filter(
      (one) => !one.required && !!manager.consents[one.name] !== consent.allows(one.name),
    );
    if (manager.confirmed && !different.length) return;
    for (const { name } of different) manager.updateConsent(name, consent.allows(name));
    manager.saveAndApplyConsents(OWN);
  };
  manager.watch({
    update(_manager, event, data) {
      const { type, consents } = (data ?? {}) as { type?: string; consents?: Record<string, boolean> };
      if (event !== 'saveConsents' || type === OWN || !consents) return;
      const switches: Record<string, boolean> = {};
      for (const { name, required } of shown.services) if (!required) switches[name] = !!consents[name];
      const isModal = document.getElementById(shown.elementID ?? 'klaro')?.querySelector('.cm-modal');
      const layer: Layer = isModal || type?.startsWith('contextual') ? 'settings' : 'banner';
      tell(consent, layer, BUTTONS[type ?? ''] ?? 'save', sayings(consent, current, switches, consent.mustAsk()));
    },
  });
  align();
  klaro.render(shown);
  consent.on('change', align);
  consent.on('settings', () => klaro.show(shown, true));
  consent.on('ask', (askings) => {
    const isOutdated = askings.some(({ reason }) => reason === 'outdated');
    if (!isOutdated && !(consent.mustAsk() && manager.confirmed)) return;
    void consent.notice().then((fresh) => {
      current = fresh;
      Object.assign(shown, withTexts(config, fresh));
      manager.resetConsents();
      klaro.show(shown);
    });
  });
}

function withTexts(config: Config, notice: Notice): Config & { services: Service[] } {
  const { language, texts, purposes } = notice;
  const services = config.services ?? purposes.filter((one) => hasSwitch(one) || isRequired(one)).map(ownService);
  const names = purposes.map((one) => one.notice.name).join(', ');
  const translation = {
    ok: texts['accept_all'],
    acceptAll: texts['accept_all'],
    decline: texts['refuse_all'],
    acceptSelected: texts['save'],
    save: texts['save'],
    close: texts['close'],
    consentNotice: {
      title: texts['title'],
      description: `${texts['introduction']} (${names})`,
      changeDescription: ' ',
      learnMore: texts['settings'],
    },
    consentModal: { title: texts['title'], description: texts['introduction'] },
    service: { required: { title: texts['always_on'] } },
  };
  return {
    groupByPurpose: false,
    fallbackLang: ['nb', 'nn'].includes(language) ? 'no' : 'en',
    ...config,
    // The notice is plain text; and refusing is as easy as accepting, on each layer.
    htmlTexts: false,
    acceptAll: true,
    hideDeclineAll: false,
    lang: language,
    translations: { ...config.translations, [language]: translation },
    services: services.map((one) => ({ ...one, ...textsOf(one, purposes) })),
  };
}

function ownService(one: NoticePurpose): Service {
  return {
    name: one.purpose,
    required: isRequired(one),
    default: one.allowed_by_default,
    cookies: one.cookies.map(({ name }) => (name.endsWith('*') ? `^${quote(name.slice(0, -1))}` : name)),
  };
}

function textsOf(service: Service, purposes: NoticePurpose[]): { title?: string; description?: string } {
  const told = purposes.find(({ purpose }) => purpose === service.name);
  return told ? { title: told.notice.name, description: told.notice.description } : {};
}

function quote(text: string): string {
  return text.replace(/[-[\]/{}()*+?.\\^$|]/g, '\\$&');
}

function forget(config: Config): void {
  const name = config.storageName ?? config.cookieName ?? 'klaro';
  if (config.storageMethod === 'localStorage') localStorage.removeItem(name);
  else if (config.storageMethod === 'sessionStorage') sessionStorage.removeItem(name);
  else removeCookies([name]);
}
