// The programs in README.md run, against the server as built.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { PASSWORD, serve } from './support.mjs'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
const root = fileURLToPath(new URL('..', import.meta.url))

/** Returns the first program below a heading, of the tests' own server. */
function program(heading) {
  const [, section] = readme.split(`\n## ${heading}\n`)
  const [, code] = /```jsx?\n(.*?)```/s.exec(section.split('\n## ')[0])
  return code.replaceAll('http://127.0.0.1:8080', server.url)
}

let server
let folder
before(async () => {
  server = await serve()
  folder = await mkdtemp(`${root}tests/tmp-`) // in the package, so that its name leads to it
  const auth = `
    import { createBearerAuth } from '@tokenpair/client/bearer'
    export const auth = createBearerAuth({ baseUrl: '${server.url}' })
    await auth.login({ username: 'ann', password: '${PASSWORD}' })`
  await writeFile(`${folder}/auth.js`, auth)
})
after(async () => {
  await rm(folder, { recursive: true, force: true })
  await server?.stop()
})

/** Starts a program, and returns it with its output. */
async function start(name, code, environment = {}) {
  const file = `${folder}/${name}.mjs`
  await writeFile(file, code)
  const child = spawn('node', [file], { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  const own = { child, out: '', err: '' }
  child.stdout.on('data', (data) => (own.out += data))
  child.stderr.on('data', (data) => (own.err += data))
  return own
}

async function run(name, code, environment) {
  const own = await start(name, code, environment)
  const [status] = await once(own.child, 'close')
  assert.equal(status, 0, own.err)
  return own.out
}

test('the command line logs in once, and goes on with the stored token', async () => {
  const code = program('Tokens without cookies')
  const first = await run('bearer', code, { HOME: folder, EXAMPLE_USER: 'ann', EXAMPLE_PASSWORD: PASSWORD })
  const second = await run('bearer', code, { HOME: folder })
  assert.deepEqual([first, second].map((out) => JSON.parse(out).logged_in_as), ['ann', 'ann'])
})

test('axios and openapi-fetch send requests of the user', async () => {
  for (const heading of ['axios', 'openapi-fetch']) {
    const out = await run(heading, `${program(heading)}\nconsole.log(data.logged_in_as)`)
    assert.equal(out, 'ann\n')
  }
})

test('the page on a server shows its user', async () => {
  const code = program('Pages rendered on a server').replace('.listen(3000)', '.listen(0, function () { console.log(this.address().port) })')
  const { child, ...own } = await start('ssr', code)
  const [port] = await once(child.stdout, 'data')
  const body = JSON.stringify({ username: 'ann', password: PASSWORD })
  const login = await fetch(`${server.url}/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const cookie = login.headers.getSetCookie().map((line) => line.split(';')[0]).filter((line) => !line.startsWith('access_token_cookie')).join('; ')
  const response = await fetch(`http://127.0.0.1:${String(port).trim()}/`, { headers: { cookie, accept: 'text/html' } })
  const { session, notes } = await response.json()
  assert.deepEqual([session.state, session.user.username, notes], ['in', 'ann', { logged_in_as: 'ann' }], own.err)
  assert.ok(response.headers.getSetCookie().some((line) => line.startsWith('access_token_cookie=')), 'the refreshed token')
  assert.equal(response.headers.get('cache-control'), 'private, no-store')
  child.kill()
})

test('the React component greets its user', async () => {
  const { code } = transformSync(program('React'), { loader: 'jsx', jsx: 'automatic', format: 'esm' })
  const show = `${code}
    import { createElement } from 'react'
    import { renderToString } from 'react-dom/server'
    for (const initial of [{ state: 'in', user: { username: 'ann' } }, { state: 'out' }, undefined]) console.log(renderToString(createElement(Greeting, { initial })))`
  assert.equal(await run('react', show), '<p>Hello, <!-- -->ann</p>\n<a href="/login">Log in</a>\n<p>One moment</p>\n')
})
