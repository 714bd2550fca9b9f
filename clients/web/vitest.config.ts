import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    environment: 'jsdom',
    environmentOptions: { jsdom: { url: 'https://www.ansettr.no/jobs/42?q=1#x', runScripts: 'dangerously' } },
  },
});
