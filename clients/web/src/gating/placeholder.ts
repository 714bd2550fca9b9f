import type { Consent } from '../core/types.js';

/** Says in a frame's place what would be there, and leads to the settings. It takes the frame's size, so that nothing moves. */
export function placePlaceholder(consent: Consent, frame: HTMLIFrameElement, purpose: string): void {
  if (placeholderOf(frame)) return;
  const box = document.createElement('div');
  box.className = 'consent-placeholder';
  box.setAttribute('role', 'group');
  const { style } = box;
  // Through the object model, which no policy for styles forbids; a page's own rules may say otherwise with !important.
  style.boxSizing = 'border-box';
  style.width = size(frame.getAttribute('width') ?? '300');
  style.maxWidth = '100%';
  style.minHeight = size(frame.getAttribute('height') ?? '150');
  style.padding = '1rem';
  style.border = '1px solid currentColor';
  frame.before(box);
  frame.hidden = true;
  void consent.notice().then(
    (notice) => {
      const shown = notice.purposes.find((one) => one.purpose === purpose);
      if (!shown) return;
      box.lang = shown.language;
      box.setAttribute('aria-label', shown.notice.name);
      const name = document.createElement('strong');
      name.textContent = shown.notice.name;
      const description = document.createElement('p');
      description.textContent = shown.notice.description;
      const button = document.createElement('button');
      button.type = 'button';
      button.lang = notice.language;
      button.textContent = notice.texts['settings'] ?? shown.notice.name;
      button.addEventListener('click', () => consent.openSettings(purpose));
      box.append(name, description, button);
    },
    // Without the notice it stays a box: nothing can be agreed to that cannot be read.
    () => undefined,
  );
}

export function removePlaceholder(frame: HTMLIFrameElement): void {
  placeholderOf(frame)?.remove();
  frame.hidden = false;
}

function placeholderOf(frame: Element): Element | null {
  const before = frame.previousElementSibling;
  return before?.classList.contains('consent-placeholder') ? before : null;
}

function size(attribute: string): string {
  return /^\d+$/.test(attribute) ? `${attribute}px` : attribute;
}
