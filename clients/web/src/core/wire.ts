import type { Trouble } from './types.js';

/** How long an answer is waited for. Other pages of the site may be waiting meanwhile. */
const ANSWER_MS = 15000;

/** An answer of the service; `status` 0 where there was none. `waitS` is what Retry-After said. */
export interface Answer {
  status: number;
  body: any;
  waitS: number | null;
}

export async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  try {
    const response = await fetch(url, {
      // No cookie of the service's own: there is none, and none is to be invented on the way.
      credentials: 'omit',
      signal: AbortSignal.timeout(ANSWER_MS),
      ...init,
    });
    const body = await response.json().catch(() => null);
    const wait = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
    return { status: response.status, body, waitS: Number.isNaN(wait) ? null : wait };
  } catch {
    return { status: 0, body: null, waitS: null };
  }
}

/** Whether the same may be answered otherwise later: what the site's own set-up can mend is among it. */
export function isPassing(status: number): boolean {
  return status === 0 || status === 403 || status === 404 || status === 408 || status === 429 || status >= 500;
}

export function trouble(answer: Answer, again: boolean): Trouble {
  const { status, body } = answer;
  const detail = body?.errors?.[0]?.detail ?? body?.detail ?? (status ? `HTTP ${status}` : 'no answer');
  return { status, type: body?.type ?? null, detail, again };
}
