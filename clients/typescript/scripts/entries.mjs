// The package's entries, and the bytes that each may take, minified and gzipped.

import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { transformSync } from 'esbuild'

export const folder = new URL('..', import.meta.url)

const LIMITS = {
  index: 5_000,
  axios: 1_500,
  bearer: 5_000,
  'openapi-fetch': 1_000,
  react: 500,
  ssr: 3_500,
}

export const names = Object.keys(LIMITS)

/** Returns the size of an entry as built, without the packages that it needs. */
export function sizeOf(name) {
  const { code } = transformSync(readFileSync(new URL(`dist/${name}.js`, folder), 'utf8'), { minify: true, format: 'esm' })
  return gzipSync(code, { level: 9 }).length
}

const rounded = (size) => `${Math.ceil(size / 500) / 2} kB`

/** Throws if an entry is too large, or README.md states another size than its own, rounded up to half a kB. */
export function checkSizes() {
  const readme = readFileSync(new URL('README.md', folder), 'utf8')
  const faults = names.flatMap((name) => {
    const size = sizeOf(name)
    console.log(`${name}: ${size} of ${LIMITS[name]} bytes`)
    if (size > LIMITS[name]) return [`${name} is too large`]
    const entry = name === 'index' ? '@tokenpair/client' : `@tokenpair/client/${name}`
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${entry}\` `))
    return row?.includes(`| ${rounded(size)} |`) ? [] : [`README.md has to state ${rounded(size)} in the row of ${entry}`]
  })
  if (faults.length > 0) throw new Error(faults.join('\n'))
}
