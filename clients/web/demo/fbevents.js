// Stands in for Meta's script: it takes over the page's fbq(), and sends to /demo/tags.
(() => {
  let mayTrack = true;
  const send = (what) => {
    if (mayTrack) new Image().src = `/demo/tags/tr?what=${encodeURIComponent(what)}&at=${Date.now()}`;
  };
  const run = (command, ...values) => {
    if (command === 'consent') mayTrack = values[0] === 'grant';
    if (command === 'track') send(values[0]);
  };
  document.cookie = '_fbp=stand-in; path=/; max-age=7776000; samesite=lax';
  const { queue = [] } = window.fbq ?? {};
  window.fbq.callMethod = run;
  for (const call of queue.splice(0)) run(...call);
})();
