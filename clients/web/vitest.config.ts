import { defineConfig } from 'vitest/config';

/** The one file that puts something else in the place of `location`, which a window as the global object does not let it. */
const REPLACES_LOCATION = 'tests/gating/gate.test.ts';

export default defineConfig({
  test: {
    environment: 'jsdom',
    environmentOptions: { jsdom: { url: 'https://www.ansettr.no/jobs/42?q=1#x', runScripts: 'dangerously' } },
    // A window of its own for each file either way; this pool loads jsdom once for all of them.
    projects: [
      { extends: true, test: { name: 'window', pool: 'vmThreads', include: ['tests/**/*.test.ts'], exclude: [REPLACES_LOCATION] } },
      { extends: true, test: { name: 'location', include: [REPLACES_LOCATION] } },
    ],
  },
});
