import { expect, test } from 'vitest';
import { judge, NO_STATE, shownBy, type ChoiceBody, type Waiting } from '../../src/core/judging.js';
import type { Said } from '../../src/core/types.js';
import { notice, purpose } from '../service.js';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const copy = {
  ...NO_STATE,
  ...shownBy(notice(purpose('matomo'), purpose('interests', { choices: ['refused'], allowed_by_default: true }))),
  visitor: 'me',
};

function waits(visitor: string, choices: Record<string, Said>): Waiting {
  return { visitor, body: { choices, occurred_at: '2026-03-01T11:00:00Z' } as unknown as ChoiceBody };
}

const told = (...waiting: Waiting[]): string[] =>
  Object.values(judge(copy, waiting, false, NOW)).map(({ purpose: name, status, permission }) => `${name} ${status} ${permission.allowed}`);

test('what waits to be told holds already, in its order', () => {
  expect(told(waits('me', { matomo: 'given' }), waits('me', { matomo: 'withdrawn' }))).toContain('matomo withdrawn false');
  expect(told(waits('me', { matomo: 'refused' }), waits('me', { matomo: 'given' }))).toContain('matomo given true');
});

test('what somebody else chose holds for them alone', () => {
  expect(told(waits('somebody else', { matomo: 'given' }))).toContain('matomo unknown false');
});

test('closing puts off what is open and takes nothing back', () => {
  expect(told(waits('me', { matomo: 'deferred' }))).toContain('matomo deferred false');
  expect(told(waits('me', { matomo: 'given' }), waits('me', { matomo: 'deferred' }))).toContain('matomo given true');
});

test('a no to interests is an objection', () => {
  expect(told(waits('me', { interests: 'refused' }))).toContain('interests objected false');
});

test('nobody gives what is not known, nor what a click cannot give', () => {
  expect(told(waits('me', { elsewhere: 'given' }))).toContain('elsewhere unknown false');
  expect(told(waits('me', { interests: 'given' }))).toContain('interests unknown true');
});
