// Checks the content of the package that `npm pack` makes.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { folder, names } from './entries.mjs'

const EVERYTHING = ['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json']

/**
 * Packs the build, and returns the archive's path. Throws if a file is missing from the package or
 * does not belong there, or an entry is not exported as it should be.
 */
export function pack() {
  const cwd = fileURLToPath(folder)
  const options = ['--json', '--ignore-scripts', '--pack-destination', `${cwd}dist`]
  const [archive] = Object.values(JSON.parse(execFileSync('npm', ['pack', ...options], { cwd, encoding: 'utf8' })))
  const packed = archive.files.map(({ path }) => path)
  const { exports } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'))
  const faults = []
  for (const name of names) {
    const found = JSON.stringify(exports[name === 'index' ? '.' : `./${name}`])
    const files = { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` }
    if (found !== JSON.stringify(files)) faults.push(`package.json has to export ${JSON.stringify(files)} for ${name}, not ${found}`)
  }
  if (Object.keys(exports).length !== names.length) faults.push('package.json exports more than the entries')
  const expected = [...EVERYTHING, ...names.map((name) => `dist/${name}.js`)]
  faults.push(...expected.filter((path) => !packed.includes(path)).map((path) => `the package lacks ${path}`))
  const others = packed.filter((path) => !expected.includes(path) && !/^dist\/[a-z-]+\.d\.ts$/.test(path))
  faults.push(...others.map((path) => `${path} does not belong in the package`))
  if (faults.length > 0) throw new Error(faults.join('\n'))
  console.log(`${packed.length} files`)
  return `${cwd}dist/${archive.filename}`
}
