// Builds src/server/assets/client/tokenpair.js.gz, the file that the server has at /tokenpair.js, so that the server's own
// build needs no Node. With --write it writes the file; without, it fails if the file differs.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const folder = fileURLToPath(new URL('..', import.meta.url))
const target = fileURLToPath(new URL('../../../src/server/assets/client/tokenpair.js.gz', import.meta.url))
const { name, version, license } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8'))

async function served() {
  const options = { absWorkingDir: folder, bundle: true, minify: true, format: 'esm', target: 'es2022', write: false, metafile: true }
  const { outputFiles, metafile } = await build({ ...options, entryPoints: ['src/index.ts'] })
  // Tests of the server compare the hash with the sources, without Node.
  const sources = Object.keys(metafile.inputs).sort()
  const hash = createHash('sha256')
  for (const source of sources) hash.update(readFileSync(folder + source))
  const names = sources.map((source) => basename(source)).join(' ')
  const notice = `/*! ${name} ${version}, ${license}. Built from ${names} (sha256 ${hash.digest('hex')}) */`
  return `${notice}\n${outputFiles[0].text}`
}

const isServedCurrent = async () => existsSync(target) && gunzipSync(readFileSync(target)).toString() === (await served())

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write')) {
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, gzipSync(await served(), { level: 9 }))
  } else if (!(await isServedCurrent())) {
    console.error('the server has another tokenpair.js. Run: npm run served')
    process.exit(1)
  }
}
