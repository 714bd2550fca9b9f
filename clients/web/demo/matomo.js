// Stands in for Matomo's script: it knows the commands that the page and the consent client give it, and sends to /demo/tags.
(() => {
  let mayTrack = true;
  let beat;
  const send = (what) => {
    if (mayTrack) new Image().src = `/demo/tags/matomo.php?what=${encodeURIComponent(what)}&at=${Date.now()}`;
  };
  const stop = () => {
    mayTrack = false;
    clearInterval(beat);
  };
  const commands = {
    trackPageView: () => send('page view'),
    trackEvent: (category, action) => send(`${category}: ${action}`),
    enableHeartBeatTimer: (seconds) => {
      clearInterval(beat);
      beat = setInterval(() => send('still here'), seconds * 1000);
    },
    requireConsent: stop,
    setConsentGiven: () => (mayTrack = true),
    forgetConsentGiven: stop,
    optUserOut: stop,
    forgetUserOptOut: () => (mayTrack = true),
  };
  const run = ([name, ...values]) => commands[name]?.(...values);
  document.cookie = '_pk_id.demo=stand-in; path=/; max-age=34214400; samesite=lax';
  const waiting = window._paq ?? [];
  window._paq = { push: (...all) => all.forEach(run) };
  waiting.forEach(run);
})();
