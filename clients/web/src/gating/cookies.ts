/**
 * Removes the cookies of these names; one that ends in `*` means all that begin so. A page can name neither path nor domain of
 * a cookie that it sees, so each that could have set it is tried. What is HttpOnly or another host's, no script can reach.
 */
export function removeCookies(patterns: string[], kept: string[] = []): void {
  for (const name of cookieNames()) {
    if (!patterns.some((one) => matches(one, name)) || kept.some((one) => matches(one, name))) continue;
    for (const domain of domains(location.hostname)) {
      for (const path of paths(location.pathname)) {
        for (const more of ['', '; Secure', '; Secure; Partitioned']) {
          const where = `; Path=${path}${domain ? `; Domain=${domain}` : ''}`;
          document.cookie = `${name}=; Max-Age=0${where}${more}`;
        }
      }
    }
  }
}

function cookieNames(): string[] {
  try {
    return document.cookie
      .split('; ')
      .map((pair) => pair.split('=')[0] ?? '')
      .filter(Boolean);
  } catch {
    return [];
  }
}

function matches(pattern: string, name: string): boolean {
  if (!pattern.endsWith('*')) return pattern === name;
  // A bare `*` would take everybody's.
  return pattern.length > 1 && name.startsWith(pattern.slice(0, -1));
}

/** The host alone, then it and each domain above it; browsers refuse those that nobody may own. */
function domains(host: string): string[] {
  const labels = host.split('.');
  return ['', ...labels.map((_, place) => labels.slice(place).join('.'))];
}

function paths(path: string): string[] {
  const segments = path.split('/').filter(Boolean);
  const prefixes = segments.map((_, place) => `/${segments.slice(0, place + 1).join('/')}`);
  return ['/', ...prefixes.flatMap((prefix) => [prefix, `${prefix}/`])];
}
