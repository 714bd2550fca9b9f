// Stands in for Matomo's script: it knows the commands that the page and the consent client give it, and sends to /demo/tags.
(() => {
  let mayTrack = true;
  let beat;
  const send = (what) => {
    if (mayTrack) new Image().src = `/demo/tags/matomo.php?what=${encodeURIComponent(what)}&at=${Date.now()}`;
  };
  const commands = {
    requireConsent: () => (mayTrack = false),
    setConsentGiven: () => (mayTrack = true),
    forgetConsentGiven: () => (mayTrack = false),
    trackPageView: () => send('page view'),
    trackEvent: (category, action) => send(`${category}: ${action}`),
    enableHeartBeatTimer: (seconds) => {
      clearInterval(beat);
      beat = setInterval(() => send('still here'), seconds * 1000);
    },
  };
  const run = ([name, ...values]) => commands[name]?.(...values);
  document.cookie = '_pk_id.demo=stand-in; path=/; max-age=34214400; samesite=lax';
  const waiting = window._paq ?? [];
  window._paq = { push: (...all) => all.forEach(run) };
  // As the real one does: what is said of consent counts before anything is sent.
  const isConsent = ([name]) => /Consent/.test(name);
  [...waiting.filter(isConsent), ...waiting.filter((call) => !isConsent(call))].forEach(run);
})();
