import type { Consent, Heard, Standing } from '../../src/core/types.js';
import { notice, purpose } from '../service.js';

/** A consent that stands as the test says. */
export class Stands {
  readonly opened: (string | null)[] = [];
  readonly #allowed = new Map<string, boolean>();
  readonly #heard = new Set<Heard['change']>();

  constructor(
    readonly allowed: Record<string, boolean>,
    readonly names: Record<string, string[]> = {},
  ) {
    for (const [name, isAllowed] of Object.entries(allowed)) this.#allowed.set(name, isAllowed);
  }

  set(name: string, isAllowed: boolean): void {
    this.#allowed.set(name, isAllowed);
    for (const heard of this.#heard) heard([name]);
  }

  get consent(): Consent {
    return {
      ready: Promise.resolve(),
      allows: (name: string) => this.#allowed.get(name) ?? false,
      standing: () =>
        Object.fromEntries([...this.#allowed].map(([name, allowed]) => [name, { permission: { allowed } } as Standing])),
      cookies: () => this.names,
      notice: () => Promise.resolve(notice(purpose('film'), purpose('matomo'))),
      on: (_: string, heard: never) => {
        this.#heard.add(heard);
        return () => this.#heard.delete(heard);
      },
      openSettings: (name?: string) => this.opened.push(name ?? null),
    } as unknown as Consent;
  }
}
