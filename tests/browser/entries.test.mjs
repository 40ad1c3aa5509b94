// The client's entries for programs and for axios, in pages: as in a web view of an app, and with XMLHttpRequest.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { after, before, test } from 'node:test'
import { launch, serve } from './support.mjs'

const PASSWORD = 'correct horse 1'
const folder = new URL('../../clients/typescript/', import.meta.url)
const [core, bearer, axiosEntry, axios] = await Promise.all(
  ['dist/index.js', 'dist/bearer.js', 'dist/axios.js', 'node_modules/axios/dist/esm/axios.js'].map((path) => readFile(new URL(path, folder))),
)
const files = { '/core.js': core, '/bearer.js': bearer, '/axios-entry.js': axiosEntry, '/axios.js': axios }
const app = (script) => `<!doctype html><title>app</title><link rel="icon" href="data:,">
<script type="importmap">{ "imports": { "axios": "/axios.js" } }</script>
<script type="module">${script}</script>`

let browser
before(async () => (browser = await launch()))
after(() => browser?.close())

async function register(server) {
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ username: 'ann', password: PASSWORD })
  assert.equal((await fetch(`${server.url}/register`, { method: 'POST', headers, body })).status, 201)
}

/** Serves an app's page and the entries, and keeps what it was asked for. */
async function appServer(script) {
  const seen = []
  const listener = http.createServer((request, response) => {
    seen.push({ url: request.url, authorization: request.headers.authorization })
    if (request.url === '/redirected') return response.setHeader('Access-Control-Allow-Origin', '*').setHeader('Access-Control-Allow-Headers', '*').end('{}')
    const file = files[request.url]
    response.setHeader('Content-Type', file ? 'text/javascript' : 'text/html').end(file ?? app(script(own.url)))
  })
  listener.listen(0)
  await once(listener, 'listening')
  const own = { url: `http://localhost:${listener.address().port}`, seen, stop: () => listener.close(listener.closeAllConnections()) }
  return own
}

test('an app of another site logs in, restarts and refreshes without cookies', async () => {
  let server
  const app = await appServer(
    () => `
      import { createBearerAuth } from '/bearer.js'
      const storage = { get: async () => sessionStorage.getItem('token'), set: async (token) => (token ? sessionStorage.setItem('token', token) : sessionStorage.removeItem('token')) }
      globalThis.auth = createBearerAuth({ baseUrl: '${server.url}', storage })
      globalThis.isReady = true`,
  )
  server = await serve({ SERVER_CORS_ORIGINS: app.url })
  const context = await browser.newContext()
  try {
    await register(server)
    const page = await context.newPage()
    const open = () => page.goto(`${app.url}/`).then(() => page.waitForFunction(() => globalThis.isReady))
    const name = () => page.evaluate(async () => (await (await auth.fetch('/protected')).json()).logged_in_as)
    await open()
    assert.deepEqual(await page.evaluate(() => auth.check()), { state: 'out' })
    assert.equal((await page.evaluate((password) => auth.login({ username: 'ann', password }), PASSWORD)).ok, true)
    assert.equal(await name(), 'ann')
    const token = await page.evaluate(() => sessionStorage.getItem('token'))
    await open()
    assert.deepEqual(await Promise.all([name(), name(), name()]), ['ann', 'ann', 'ann'])
    assert.notEqual(await page.evaluate(() => sessionStorage.getItem('token')), token)
    assert.deepEqual(await context.cookies(), [])

    // The page's own origin is another than the server's.
    await page.evaluate(() => auth.fetch(`${location.origin}/own`))
    await page.evaluate(() => auth.fetch(new URL('/own', location.href)))
    assert.deepEqual(app.seen.filter(({ authorization }) => authorization), [])
    assert.deepEqual(await page.evaluate(() => auth.logout()), { ok: true })
    assert.equal(await page.evaluate(() => sessionStorage.getItem('token')), null)
  } finally {
    await context.close()
    app.stop()
    await server.stop()
  }
})

test("a redirect to another origin does not take a program's token along", async () => {
  const other = await appServer(() => '')
  const server = http.createServer((request, response) => {
    const allow = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'authorization' }
    if (request.method === 'OPTIONS') return response.writeHead(204, allow).end()
    const answer = { '/login': '{"access_token":"a","refresh_token":"r"}', '/session': '{"state":"in","user":{"id":"1","username":"ann"}}' }[request.url]
    if (answer) return response.writeHead(200, { ...allow, 'Content-Type': 'application/json' }).end(answer)
    response.writeHead(307, { ...allow, Location: `${other.url}/redirected` }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const context = await browser.newContext()
  try {
    const page = await context.newPage()
    await page.goto(`${other.url}/`)
    const { port } = server.address()
    const status = await page.evaluate(async (baseUrl) => {
      const { createBearerAuth } = await import('/bearer.js')
      const auth = createBearerAuth({ baseUrl })
      await auth.login({ username: 'ann', password: 'x' })
      return (await auth.fetch('/elsewhere')).status
    }, `http://127.0.0.1:${port}`)
    assert.equal(status, 200)
    assert.deepEqual(other.seen.filter(({ url }) => url === '/redirected').map(({ authorization }) => authorization), [undefined])
  } finally {
    await context.close()
    other.stop()
    server.close()
  }
})

test('axios in a page sends the CSRF token, refreshes once and repeats, by XMLHttpRequest', async () => {
  const server = await serve()
  const context = await browser.newContext()
  const script = `
    import axios from 'axios'
    import { createAuth } from '/core.js'
    import { addAuth } from '/axios-entry.js'
    globalThis.axios = axios
    globalThis.auth = createAuth()
    globalThis.api = axios.create({ adapter: 'xhr' })
    addAuth(api, auth)
    globalThis.isReady = true`
  try {
    await register(server)
    const page = await context.newPage()
    const sent = []
    for (const path of [...Object.keys(files), '/app']) {
      const [contentType, body] = files[path] ? ['text/javascript', files[path]] : ['text/html', app(script)]
      await page.route(`${server.url}${path}`, (route) => route.fulfill({ contentType, body }))
    }
    await page.goto(`${server.url}/app`)
    await page.waitForFunction(() => globalThis.isReady)
    page.on('request', (request) => sent.push(`${request.method()} ${new URL(request.url()).pathname} ${request.resourceType()}`))
    const count = (line) => sent.filter((one) => one === line).length
    assert.equal((await page.evaluate((password) => auth.login({ username: 'ann', password }), PASSWORD)).ok, true)

    const dropAccess = () => context.clearCookies({ name: 'access_token_cookie' })
    await dropAccess()
    const names = await page.evaluate(async () => (await Promise.all(Array.from({ length: 20 }, () => api.get('/protected')))).map(({ data }) => data.logged_in_as))
    assert.deepEqual([...new Set(names)], ['ann'])
    assert.equal(count('POST /refresh fetch'), 1)
    assert.equal(count('GET /protected xhr'), 40)

    await dropAccess()
    const text = await page.evaluate(async () => (await api.get('/protected', { responseType: 'blob' })).data.text())
    assert.equal(JSON.parse(text).logged_in_as, 'ann')

    await dropAccess()
    const failure = await page.evaluate(() => api.post('/account/password', { current_password: 'wrong', new_password: 'x' }).catch(({ name, response }) => [name, response.data.code]))
    assert.deepEqual(failure, ['AxiosError', 'fresh_token_required'], 'it had the CSRF token and its body')

    await page.route(`${server.url}/busy`, (route) => route.fulfill({ status: 503, headers: { 'retry-after': '20' }, body: '{}' }))
    const isCancelled = await page.evaluate(async () => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(), 100)
      return axios.isCancel(await api.get('/busy', { signal: controller.signal }).catch((error) => error))
    })
    assert.equal(isCancelled, true)
    assert.equal(await page.evaluate(() => auth.session().user.username), 'ann')
  } finally {
    await context.close()
    await server.stop()
  }
})
