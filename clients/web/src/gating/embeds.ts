const HOSTS = /^(www\.|m\.)?(youtube\.com|youtu\.be|youtube-nocookie\.com)$/;

/** The address to embed: of a YouTube video the form without cookies, whatever form it was given in. */
export function embeddable(address: string): string {
  let url: URL;
  try {
    url = new URL(address, location.href);
  } catch {
    return address;
  }
  if (!HOSTS.test(url.hostname)) return address;
  const [first = '', second = ''] = url.pathname.split('/').filter(Boolean);
  const { searchParams: query } = url;
  const isShort = url.hostname.endsWith('youtu.be');
  const list = ['embed', 'shorts', 'live', 'v'].includes(first);
  const video = isShort ? first : list ? second : query.get('v');
  if (!video) return address;
  const start = query.get('t') ?? query.get('start');
  for (const name of ['v', 't', 'si', 'feature', 'ab_channel', 'pp']) query.delete(name);
  if (start) query.set('start', String(seconds(start)));
  const rest = query.toString();
  return `https://www.youtube-nocookie.com/embed/${encodeURIComponent(video)}${rest ? `?${rest}` : ''}`;
}

/** `90`, `90s` or `1m30s`. */
function seconds(text: string): number {
  const [, h = 0, m = 0, s = 0] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$/.exec(text) ?? [];
  return Number(h) * 3600 + Number(m) * 60 + Number(s);
}
