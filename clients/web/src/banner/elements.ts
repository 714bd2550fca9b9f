/** Making elements without markup, so that neither a strict policy nor Trusted Types has anything to refuse. */
type Content = Node | string | null | undefined | false;
type Attributes = Record<string, string | boolean | null | undefined>;

/** An element with attributes (true: empty, false and nothing: left out) and content. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...content: Content[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value != null) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...content.filter((one): one is Node | string => !!one));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A drawing of one line on a square of 24, in the colour of the text, that is no content. */
export function draw(line: string): SVGElement {
  const picture = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' })) {
    picture.setAttribute(key, value);
  }
  path.setAttribute('d', line);
  picture.append(path);
  return picture;
}
