import { expect, test } from 'vitest';
import { country, inWords, ownWords, together } from '../../src/banner/words.js';

test.each`
  language   | duration   | words
  ${'nb'}    | ${'P13M'}  | ${'13 måneder'}
  ${'nb'}    | ${'PT30M'} | ${'30 minutter'}
  ${'en'}    | ${'P90D'}  | ${'90 days'}
  ${'en'}    | ${'P1Y6M'} | ${'1 year 6 months'}
  ${'en'}    | ${'P1DT1H'} | ${'1 day 1 hour'}
  ${'en'}    | ${'session'} | ${'session'}
`('$duration is told in $language as $words', ({ language, duration, words }) => {
  expect(inWords(language, duration)).toBe(words);
});

test('nynorsk is told in a Norwegian language, not in the browser’s own', () => {
  expect(inWords('nn', 'P90D')).toMatch(/^90 (dagar|dager|døgn)$/);
});

test('lists are those of the language', () => {
  expect(together('nb', ['Mottakere', 'Informasjonskapsler'])).toBe('Mottakere og informasjonskapsler');
  expect(together('en', ['Cookies'])).toBe('Cookies');
});

test('a country has a name; what is none stays as it is', () => {
  expect(country('nb', 'NL')).toBe('Nederland');
  expect(country('nb', 'somewhere')).toBe('somewhere');
});

test.each([
  ['nb-NO', 'nb'],
  ['no', 'nb'],
  ['nn', 'nn'],
  ['en-GB', 'en'],
  ['fr', 'en'],
  ['constructor', 'en'],
])('the words outside the screens are told to %s in %s', (asked, found) => {
  expect(ownWords(asked).language).toBe(found);
});
