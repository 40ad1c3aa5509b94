// Bundles src into dist, with types.

import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const folder = fileURLToPath(new URL('..', import.meta.url))
rmSync(`${folder}dist`, { recursive: true, force: true })
execFileSync('node', [`${folder}node_modules/typescript/bin/tsc`, '-p', folder], { stdio: 'inherit' })
await build({
  absWorkingDir: folder,
  entryPoints: ['src/index.ts'],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  outdir: 'dist',
})
