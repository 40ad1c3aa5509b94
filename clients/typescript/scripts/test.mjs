// Builds the package and checks it: error codes, sizes, content, types, exports, behaviour.

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { checkSizes, folder } from './entries.mjs'
import { pack } from './content.mjs'

const cwd = fileURLToPath(folder)

const run = (name, ...args) => {
  console.log(`== ${[name, ...args].join(' ')}`)
  execFileSync(name, args, { cwd, stdio: 'inherit', env: { ...process.env, PATH: `${cwd}node_modules/.bin:${process.env.PATH}` } })
}

try {
  run('node', 'scripts/codes.mjs')
  run('node', 'scripts/served.mjs')
  run('node', 'scripts/build.mjs')
  console.log('== sizes')
  checkSizes()
  console.log('== content of the package')
  const archive = pack()
  run('tsc', '-p', 'tests')
  run('tsc', '-p', 'tests/node')
  run('publint', 'run', archive, '--strict')
  run('attw', archive, '--profile', 'esm-only', '--format', 'table-flipped')
  const tests = readdirSync(`${cwd}tests`).filter((name) => name.endsWith('.test.mjs'))
  run('node', '--test', '--test-concurrency=4', '--test-timeout=240000', '--test-reporter=spec', ...tests.map((name) => `tests/${name}`))
} catch (error) {
  if (!error.status) console.error(error.message)
  process.exit(1)
}
