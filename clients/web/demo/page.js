// The demonstration's own script: what a site has for its tags, and the table of what was sent.
window._paq = [['trackPageView'], ['enableHeartBeatTimer', 5]];
window.fbq = function (...call) {
  if (window.fbq.callMethod) window.fbq.callMethod(...call);
  else window.fbq.queue.push(call);
};
window.fbq.queue = [];
window.fbq('track', 'PageView');

const KEPT = 'demo';
const kept = () => ({ since: null, changes: [], ...JSON.parse(sessionStorage.getItem(KEPT) ?? '{}') });
const keep = (more) => sessionStorage.setItem(KEPT, JSON.stringify({ ...kept(), ...more }));
const find = (selector) => document.querySelector(selector);
/** How far the server's clock is ahead of this one, in milliseconds. */
let ahead = 0;
let requests = [];
let consent;

/** When the request was sent, by what the visitor had said until then: never, allowed, or after. */
function when({ purpose, at }) {
  const before = kept().changes.filter((one) => one.purpose === purpose && one.at <= Date.parse(at) - ahead);
  if (before.at(-1)?.allowed) return 'allowed';
  return before.some((one) => one.allowed) ? 'after' : 'never';
}

const isAllowed = (purpose) => kept().changes.findLast((one) => one.purpose === purpose)?.allowed ?? false;

function note(purpose, allowed, at) {
  if (allowed !== isAllowed(purpose)) keep({ changes: [...kept().changes, { purpose, allowed, at }].slice(-200) });
  show();
}

function show() {
  showTable();
  showLog();
}

function showTable() {
  const body = find('.sent tbody');
  const names = JSON.parse(body.dataset.names);
  const rows = Object.entries(names).map(([purpose, name]) => {
    const own = requests.filter((one) => one.purpose === purpose);
    const count = (kind) => own.filter((one) => when(one) === kind).length;
    const allowed = isAllowed(purpose);
    const head = element('th', { scope: 'row' }, name, element('small', {}, allowed ? body.dataset.allowed : body.dataset.not));
    const cells = ['never', 'allowed', 'after'].map((kind) => {
      const number = count(kind);
      return element('td', { class: `count ${number ? kind : ''}`, 'data-purpose': purpose, 'data-kind': kind }, String(number));
    });
    return element('tr', {}, head, ...cells);
  });
  body.replaceChildren(...rows);
}

function showLog() {
  const log = find('.log');
  const names = JSON.parse(find('.sent tbody').dataset.names);
  const chosen = JSON.parse(log.dataset.chosen);
  const whens = JSON.parse(log.dataset.when);
  const words = JSON.parse(log.dataset.words);
  const sent = requests.map((one) => {
    const kind = when(one);
    const why = element('small', { class: kind }, `${names[one.purpose] ?? one.purpose}, ${whens[kind]}`);
    return { at: Date.parse(one.at) - ahead, shown: [`${one.server}: ${inWords(one.what, words)}`, why], look: '' };
  });
  const said = kept().changes.map((one) => ({
    at: one.at,
    shown: [`${names[one.purpose] ?? one.purpose}: ${chosen[one.allowed]}`],
    look: 'choice',
  }));
  const lines = [...sent, ...said].sort((one, other) => other.at - one.at).slice(0, 60);
  const items = lines.map(({ at, shown, look }) =>
    element('li', { class: look }, element('time', { datetime: new Date(at).toISOString() }, clock(at)), element('span', {}, ...shown)),
  );
  log.replaceChildren(...(items.length ? items : [element('li', {}, log.dataset.none)]));
}

/** `ViewContent nurse` as the page's language has it; what it has no words for stays as it is. */
function inWords(what, words) {
  return what.replace(/^[^:]*?(?=: |$)/, (known) => words[known] ?? known);
}

function clock(at) {
  const date = new Date(at);
  return `${date.toLocaleTimeString('nb-NO')}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function element(name, attributes, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

/** Ask the demonstration's server what it has counted since this visitor began. */
async function poll() {
  try {
    const after = kept().since;
    const asked = Date.now();
    const answer = await (await fetch(`/demo/requests${after === null ? '' : `?after=${after}`}`)).json();
    ahead = Date.parse(answer.now) - (asked + Date.now()) / 2;
    if (after === null) keep({ since: answer.last });
    else requests = answer.requests;
    show();
  } finally {
    setTimeout(poll, 1000);
  }
}

async function newsletter(step) {
  const form = find('form');
  if (!form.reportValidity()) return;
  const told = JSON.parse(form.dataset.told);
  const answer = await fetch(`/demo/newsletter/${step}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email: form.elements.email.value }),
  });
  const { outcome } = answer.ok ? await answer.json() : { outcome: 'failed' };
  find('form [role=status]').textContent = told[outcome] ?? told.refused;
  if (outcome === 'given' || outcome === 'withdrawn') note('nyhetsbrev', outcome === 'given', Date.now());
}

function begin() {
  for (const button of document.querySelectorAll('[data-job]')) {
    button.addEventListener('click', () => {
      window._paq.push(['trackEvent', 'vacancy', button.dataset.job]);
      window.fbq('track', `ViewContent ${button.dataset.job}`);
    });
  }
  find('form').addEventListener('submit', (event) => {
    event.preventDefault();
    void newsletter('request');
  });
  for (const button of document.querySelectorAll('[data-step]')) {
    button.addEventListener('click', () => void newsletter(button.dataset.step));
  }
  find('[data-anew]').addEventListener('click', () => {
    for (const cookie of document.cookie.split('; ')) document.cookie = `${cookie.split('=')[0]}=; path=/; max-age=0`;
    localStorage.clear();
    sessionStorage.clear();
    location.reload();
  });
  void poll();
}

/** What the visitor said, from the consent client. The newsletter's person is an address, not this browser. */
function attach(found) {
  consent = found;
  const noteAll = (at) => {
    for (const { purpose, since, permission } of Object.values(consent.standing())) {
      if (purpose !== 'nyhetsbrev') note(purpose, permission.allowed, Math.min(at, Date.parse(since) || at));
    }
  };
  // What was allowed already when the page was opened was so from its first moment.
  void consent.ready.then(() => noteAll(performance.timeOrigin));
  // A choice holds from the click on, before anybody is told of it.
  consent.on('change', () => noteAll(Date.now()));
}

document.addEventListener('DOMContentLoaded', () => {
  begin();
  attach(window.consent);
});
