/** What the browser keeps: in localStorage, or where that is blocked for as long as the page lives. */
export interface Store {
  get(key: string): string | null;
  set(key: string, value: string | null): void;
}

export function openStore(): Store {
  const memory = new Map<string, string | null>();
  return {
    get(key) {
      const own = memory.get(key);
      if (own !== undefined) return own;
      try {
        return localStorage.getItem(key);
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        if (value === null) localStorage.removeItem(key);
        else localStorage.setItem(key, value);
        memory.delete(key);
      } catch {
        memory.set(key, value);
        try {
          // What is left there is no longer so: the next page must not act upon it.
          localStorage.removeItem(key);
        } catch {
          // Nor can it be read, then.
        }
      }
    },
  };
}

export interface CookieSettings {
  name: string;
  days: number;
  domain: string | undefined;
}

/** 144 random bits as 24 characters that need no quoting anywhere. */
export function random(): string {
  const text = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))));
  return text.replace(/\+/g, '-').replace(/\//g, '_');
}

/** The id in the visitor cookie; null where there is none, or it is none of ours. */
export function readVisitor(name: string): string | null {
  try {
    for (const pair of document.cookie.split('; ')) {
      const [found, value = ''] = pair.split('=');
      if (found === name && /^[\w-]{22,64}$/.test(value)) return value;
    }
  } catch {
    // A sandboxed document has no cookies, and says so by throwing.
  }
  return null;
}

/** Writes the cookie, or with null removes it. Whether it was kept, the next reading tells. */
export function writeVisitor(settings: CookieSettings, visitor: string | null): void {
  const age = visitor === null ? 0 : Math.round(settings.days * 86400);
  const domain = settings.domain === undefined ? '' : `; Domain=${settings.domain}`;
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  try {
    document.cookie = `${settings.name}=${visitor ?? ''}; Path=/; Max-Age=${age}; SameSite=Lax${domain}${secure}`;
  } catch {
    // As above.
  }
}
