// Bundles each entry of src into a file of dist, with types, and adds the licences to the package.

import { execFileSync } from 'node:child_process'
import { copyFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { folder, names } from './entries.mjs'

const path = fileURLToPath(folder)
rmSync(`${path}dist`, { recursive: true, force: true })
execFileSync('node', [`${path}node_modules/typescript/bin/tsc`, '-p', path], { stdio: 'inherit' })
await build({
  absWorkingDir: path,
  entryPoints: names.map((name) => `src/${name}.ts`),
  bundle: true,
  packages: 'external',
  format: 'esm',
  target: 'es2022',
  outdir: 'dist',
})
for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) copyFileSync(new URL(`../../${name}`, folder), `${path}${name}`)
