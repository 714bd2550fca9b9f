/** The two layers as elements: the banner, and the settings purpose by purpose. They show; what is said is decided elsewhere. */
import type { Button, Notice, NoticePurpose } from '../core/index.js';
import { draw, make } from './elements.js';
import { isMovable, isOn, kindOf, type Standings } from './saying.js';
import { country, inWords, together } from './words.js';

type Pressed = (button: Button) => void;
const CROSS = 'M6 6l12 12M18 6L6 18';

/** The first layer. A region beside the page, not before it: nothing is trapped, and nothing moves. */
export function bannerLayer(notice: Notice, pressed: Pressed): HTMLElement {
  const names = notice.purposes.map((one) => make('li', { lang: differing(one, notice) }, one.notice.name));
  return make(
    'section',
    { class: 'banner', part: 'banner', 'aria-labelledby': 'banner-title', 'aria-describedby': 'banner-lead' },
    make('p', { class: 'by' }, notice.controller),
    make('h2', { id: 'banner-title' }, notice.texts['title']),
    make('p', { class: 'lead', id: 'banner-lead' }, notice.texts['introduction']),
    make('ul', { class: 'names', role: 'list' }, ...names),
    ...buttons(notice, 'banner', pressed),
  );
}

/** The second layer, a modal dialog; `read` tells which purposes stand on at that moment. */
export function settingsLayer(
  notice: Notice,
  standings: Standings,
  pressed: Pressed,
): { dialog: HTMLDialogElement; read: () => Set<string> } {
  const purposes = notice.purposes.map((one) => purposeShown(one, notice, standings));
  const dialog = make(
    'dialog',
    { 'aria-labelledby': 'settings-title', part: 'settings' },
    make(
      'div',
      { class: 'head' },
      make('p', { class: 'by' }, notice.controller),
      make('h2', { id: 'settings-title', tabindex: '-1', autofocus: true }, notice.texts['title']),
    ),
    make('div', { class: 'body' }, make('p', { class: 'lead' }, notice.texts['introduction']), ...purposes, links(notice)),
    make('div', { class: 'foot' }, ...buttons(notice, 'settings', pressed)),
  );
  const switches = () => [...dialog.querySelectorAll('input')].filter((one) => one.checked);
  return { dialog, read: () => new Set(switches().map((one) => one.value)) };
}

/** A layer's buttons as the notice orders them. Accepting and refusing are made the same way, and stand side by side. */
function buttons(notice: Notice, name: 'banner' | 'settings', pressed: Pressed): HTMLElement[] {
  const layer = notice.layers.find((one) => one.layer === name);
  const group = make('div', { class: 'buttons' });
  const shown: HTMLElement[] = [group];
  for (const button of layer?.buttons ?? []) {
    const text = notice.texts[button] ?? button;
    const isClose = button === 'close';
    const isBoth = button === 'accept_all' || button === 'refuse_all';
    const isFull = name === 'banner' ? isBoth : button === 'save';
    const look = isClose ? 'close' : [isFull && 'full', !isBoth && 'wide'].filter(Boolean).join(' ');
    const one = make(
      'button',
      { type: 'button', class: look, 'data-button': button, part: `button ${button.replace('_', '-')}` },
      isClose ? draw(CROSS) : text,
    );
    if (isClose) one.setAttribute('aria-label', text);
    // The second click of a double one was meant for what stood there before.
    one.addEventListener('click', ({ detail }) => detail < 2 && pressed(button));
    isClose ? shown.push(one) : group.append(one);
  }
  return shown;
}

function purposeShown(purpose: NoticePurpose, notice: Notice, standings: Standings): HTMLElement {
  const { texts } = notice;
  const id = `purpose-${purpose.purpose}`;
  const kind = kindOf(purpose);
  const notes = { switch: '', confirmed: texts['by_confirmation'], objectable: texts['objection'], information: '' };
  const name = make('h3', { id }, purpose.notice.name);
  const input = make('input', {
    type: 'checkbox',
    role: 'switch',
    value: purpose.purpose,
    'aria-labelledby': id,
    'aria-describedby': `${id}-text`,
  });
  input.checked = isOn(purpose, standings);
  const always = kind === 'information' && purpose.allowed_by_default && texts['always_on'];
  const top = isMovable(purpose, standings)
    ? make('label', { class: 'top' }, name, input)
    : make('div', { class: 'top' }, name, always && make('span', { class: 'tag' }, always));
  return make(
    'div',
    { class: 'purpose', lang: differing(purpose, notice), role: 'group', 'aria-labelledby': id },
    top,
    make('p', { id: `${id}-text` }, purpose.notice.description),
    notes[kind] && make('p', { class: 'note' }, notes[kind]),
    facts(purpose, notice),
  );
}

/** Recipients, cookies and how long, folded away; nothing where the notice names none of them. */
function facts(purpose: NoticePurpose, { language, texts }: Notice): HTMLElement | null {
  const recipients = purpose.recipients.map((one) =>
    typeof one['country'] === 'string' ? `${one.name} (${country(language, one['country'])})` : one.name,
  );
  const cookies = purpose.cookies.map(({ name, provider, lifetime }) => {
    const more = [provider, lifetime && inWords(language, lifetime)].filter(Boolean).join(', ');
    return more ? `${name} (${more})` : name;
  });
  const retention = purpose.retention.flatMap(({ duration }) =>
    typeof duration === 'string' ? [inWords(language, duration)] : [],
  );
  const told = { recipients, cookies, retention };
  const rows = Object.entries(told).filter(([, lines]) => lines.length);
  if (!rows.length) return null;
  const headings = rows.map(([name]) => texts[name] ?? name);
  return make(
    'details',
    {},
    make('summary', {}, together(language, headings.slice(0, 2))),
    make(
      'dl',
      {},
      ...rows.flatMap(([, lines], place) => [
        make('dt', {}, headings[place]),
        ...lines.map((line) => make('dd', {}, line)),
      ]),
    ),
  );
}

function links({ texts, links: { contacts, complaint } }: Notice): HTMLElement {
  const mail = contacts.filter((one) => one.type === 'email').slice(0, 1);
  return make(
    'div',
    { class: 'links' },
    ...mail.map((one) =>
      make('p', {}, `${texts['contact']}: `, make('a', { href: `mailto:${one.value}` }, one.value)),
    ),
    complaint && make('p', {}, `${texts['complaint']}: ${complaint}`),
  );
}

/** The language of a purpose that has none in the screen's own. */
function differing(purpose: NoticePurpose, notice: Notice): string | null {
  return purpose.language === notice.language ? null : purpose.language;
}
