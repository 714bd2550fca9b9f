// Builds all that is published, and the script that the service serves: node tools/build.mjs. With a folder, it goes there
// alone. Prints the sizes, and fails where one is too large.
// The same sources give the same bytes: a test compares them with what is committed.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const out = resolve(process.argv[2] ?? join(here, 'dist'));
const { version } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));

const ENTRIES = ['core/index', 'gating/index', 'banner/index', 'adapters/vanilla-cookieconsent', 'adapters/klaro'];
/** Bytes after gzip, less than which each must be. */
const LIMITS = { 'core': 6000, 'core and banner': 12000 };

const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  banner: { js: `/* @consent-service/web ${version}, Apache-2.0 */` },
  logLevel: 'warning',
};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  ...common,
  entryPoints: ENTRIES.map((entry) => `src/${entry}.ts`),
  outdir: out,
  outbase: 'src',
  format: 'esm',
});
await build({ ...common, entryPoints: ['src/script.ts'], outfile: join(out, 'consent.js'), format: 'iife' });
execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', out], {
  cwd: here,
  stdio: 'inherit',
});

if (!process.argv[2]) {
  copyFileSync(join(out, 'consent.js'), join(here, '../../consent_service/http/static/web/consent.js'));
}

const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;
const together = await build({
  ...common,
  stdin: {
    contents: "export * from './src/core/index.js'; export * from './src/banner/index.js';",
    resolveDir: here,
    loader: 'ts',
  },
  format: 'esm',
  write: false,
});
const sizes = {
  'core': gzipped(readFileSync(join(out, 'core/index.js'))),
  'core and banner': gzipped(together.outputFiles[0].contents),
  'consent.js': gzipped(readFileSync(join(out, 'consent.js'))),
  'gating': gzipped(readFileSync(join(out, 'gating/index.js'))),
  'adapters/vanilla-cookieconsent': gzipped(readFileSync(join(out, 'adapters/vanilla-cookieconsent.js'))),
  'adapters/klaro': gzipped(readFileSync(join(out, 'adapters/klaro.js'))),
};
let failed = false;
for (const [name, size] of Object.entries(sizes)) {
  const limit = LIMITS[name];
  const over = limit !== undefined && size >= limit;
  failed ||= over;
  console.log(`${name.padEnd(32)}${String(size).padStart(7)} bytes gzip${limit ? ` of ${limit}` : ''}${over ? ': too large' : ''}`);
}
process.exitCode = failed ? 1 : 0;
