// Builds the package and checks it: error codes, size, types, exports, behaviour.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { transformSync } from 'esbuild'

const folder = fileURLToPath(new URL('..', import.meta.url))
const LIMIT = 5_000

const run = (name, ...args) => {
  console.log(`== ${[name, ...args].join(' ')}`)
  execFileSync(name, args, { cwd: folder, stdio: 'inherit', env: { ...process.env, PATH: `${folder}node_modules/.bin:${process.env.PATH}` } })
}

try {
  run('node', 'scripts/codes.mjs')
  run('node', 'scripts/build.mjs')
  run('node', 'scripts/served.mjs')
  const { code } = transformSync(readFileSync(`${folder}dist/index.js`, 'utf8'), { minify: true, format: 'esm' })
  const size = gzipSync(code, { level: 9 }).length
  console.log(`== size: ${size} of ${LIMIT} bytes`)
  if (size > LIMIT) throw new Error('the client is too large')
  run('tsc', '-p', 'tests')
  run('publint', '--strict')
  run('attw', '--pack', '.', '--profile', 'esm-only', '--format', 'ascii')
  run('node', '--test', '--test-reporter=spec', 'tests/requests.test.mjs')
} catch (error) {
  if (!error.status) console.error(error.message)
  process.exit(1)
}
