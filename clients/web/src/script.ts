/**
 * The whole of it as one classic script: `<script src="…/consent.js" data-endpoint="…"></script>`, in the head, before the tags.
 *
 * `window.consent` is there for whatever comes after it. docs/WEB.md lists the other attributes.
 */
import { defineBanner, showBanner } from './banner/index.js';
import { createConsent, type Consent, type Options } from './core/index.js';
import { gate, type GateOptions, type GoogleSignal } from './gating/index.js';

declare global {
  interface Window {
    consent?: Consent;
  }
}

function start({ dataset }: HTMLScriptElement): void {
  const { endpoint, language, cookieName, cookieDays, cookieDomain, matomo, meta, google, reload } = dataset;
  if (!endpoint) return;
  const options: Options = {
    endpoint,
    cookie: {
      ...(cookieName && { name: cookieName }),
      ...(cookieDays && { days: Number(cookieDays) }),
      ...(cookieDomain && { domain: cookieDomain }),
    },
    ...(language && { language }),
  };
  const gating: GateOptions = {
    ...(matomo && { matomo }),
    ...(meta && { meta }),
    ...(google && { google: JSON.parse(google) as Record<string, GoogleSignal[]> }),
    ...(reload === 'none' && { reload: false }),
  };
  const consent = createConsent(options);
  window.consent = consent;
  gate(consent, gating);
  if (dataset['banner'] === 'none') return;
  defineBanner();
  const show = (): void => {
    const banner = showBanner(consent);
    for (const name of ['theme', 'reopen']) {
      const value = dataset[name];
      if (value) banner.setAttribute(name, value);
    }
  };
  if (document.body) show();
  else document.addEventListener('DOMContentLoaded', show);
}

// Only while a classic script runs does the page say which one it is.
if (document.currentScript instanceof HTMLScriptElement) start(document.currentScript);
