// axios with the client's rules, through the interceptor, against the server as built.

import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import axios from 'axios'
import { addAuth } from '../dist/axios.js'
import { createBearerAuth } from '../dist/bearer.js'
import { createAuth } from '../dist/index.js'
import { createServerAuth } from '../dist/ssr.js'
import { listen, PASSWORD, serve } from './support.mjs'

let server
before(async () => (server = await serve()))
after(() => server?.stop())

/** A server of an app's own, which answers with these functions in turn, the last one for ever. */
async function app(...answers) {
  const seen = []
  const own = await listen(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    seen.push({ method: request.method, url: request.url, headers: request.headers, body })
    const [status, data, headers = {}] = (answers.length > 1 ? answers.shift() : answers[0])(seen.at(-1))
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(typeof data === 'string' ? data : JSON.stringify(data))
  })
  return { ...own, seen }
}

/** A client that says what it is told to, of the app's origin. */
function fake(url, refresh = () => new Response('{"expires_in":3600}')) {
  const paths = []
  const fetch = async (input) => {
    const { pathname } = new URL(input)
    paths.push(pathname)
    if (pathname === '/refresh') return refresh()
    return new Response('{"state":"in","user":{"id":"1","username":"ann"},"csrf":{"access":"a","refresh":"a"}}')
  }
  return { auth: createAuth({ baseUrl: url, csrf: 'body', fetch }), paths }
}

const expired = () => [401, { code: 'token_expired' }]
const echo = ({ body, headers }) => [200, { body, csrf: headers['x-csrf-token'] ?? null, type: headers['content-type'] ?? null }]

async function staged(answers, use, refresh) {
  const own = await app(...answers)
  const client = fake(own.url, refresh)
  const api = axios.create({ baseURL: own.url })
  const stop = addAuth(api, client.auth)
  try {
    await use({ api, stop, seen: own.seen, url: own.url, ...client })
  } finally {
    own.stop()
  }
}

for (const adapter of ['http', 'fetch']) {
  test(`requests of a program share one refresh, by axios' adapter ${adapter}`, async () => {
    const events = []
    const auth = createBearerAuth({ baseUrl: server.url, onEvent: ({ type }) => events.push(type) })
    const api = axios.create({ baseURL: server.url, adapter })
    addAuth(api, auth)
    await assert.rejects(api.get('/protected'), { name: 'AxiosError', status: 401 })
    await auth.login({ username: 'ann', password: PASSWORD })
    assert.deepEqual((await api.get('/protected')).data, { logged_in_as: 'ann' })
    await server.revokeAccess('ann')
    const all = await Promise.all(Array.from({ length: 20 }, () => api.get('/protected')))
    assert.ok(all.every(({ data }) => data.logged_in_as === 'ann'))
    assert.deepEqual(events, ['signed_in', 'refreshed'])
    const failure = await api.post('/account/password', { current_password: 'wrong', new_password: 'x' }).catch((error) => error)
    assert.deepEqual([failure.name, failure.response.data.code], ['AxiosError', 'fresh_token_required'], 'the body is parsed as usual')
  })
}

test('a page on a server sends its cookies and the CSRF token', async () => {
  const headers = { 'content-type': 'application/json' }
  const login = await fetch(`${server.url}/login`, { method: 'POST', headers, body: JSON.stringify({ username: 'ann', password: PASSWORD }) })
  const cookie = login.headers.getSetCookie().map((line) => line.split(';')[0])
  const auth = createServerAuth({ headers: { cookie: cookie.join('; ') } }, { baseUrl: server.url })
  const api = axios.create({ baseURL: server.url, adapter: 'fetch', env: { fetch: auth.fetch } })
  assert.deepEqual((await api.get('/protected')).data, { logged_in_as: 'ann' })
  assert.equal((await api.post('/logout')).status, 200)
  assert.equal((await auth.session()).state, 'out')
})

test('an unsafe request is repeated with its body, its headers and the CSRF token', async () => {
  await staged([expired, echo], async ({ api, seen, paths }) => {
    const { data, config } = await api.put('/x', { a: 1 }, { headers: { 'x-own': 'yes' } })
    assert.deepEqual(data, { body: '{"a":1}', csrf: 'a', type: 'application/json' })
    assert.deepEqual(seen.map(({ method, headers }) => [method, headers['x-own'], headers['x-csrf-token']]), [['PUT', 'yes', 'a'], ['PUT', 'yes', 'a']])
    assert.deepEqual(paths.filter((path) => path === '/refresh'), ['/refresh'])
    assert.equal(config.url, '/x')
  })
})

test('forms are repeated too, and safe requests get no CSRF token', async () => {
  await staged([expired, echo], async ({ api }) => {
    const form = new FormData()
    form.append('file', new Blob(['content']), 'a.txt')
    const { data } = await api.post('/x', form)
    assert.match(data.type, /^multipart\/form-data; boundary=/)
    assert.match(data.body, /content/)
    assert.equal((await api.get('/x')).data.csrf, null)
  })
})

test('a token that no refresh cures is refused once', async () => {
  await staged([expired], async ({ api, seen, paths }) => {
    await assert.rejects(api.get('/x'), (error) => axios.isAxiosError(error) && error.response.status === 401 && error.response.data.code === 'token_expired')
    assert.equal(seen.length, 2)
    assert.equal(paths.filter((path) => path === '/refresh').length, 1)
  })
})

test('a 401 can be read whatever the type of the response', async () => {
  for (const responseType of ['json', 'text', 'arraybuffer', 'stream']) {
    await staged([expired, echo], async ({ api, seen }) => {
      assert.equal((await api.get('/x', { responseType })).status, 200)
      assert.equal(seen.length, 2, responseType)
    })
  }
  for (const responseType of ['blob', 'stream']) {
    await staged([expired, echo], async ({ api }) => assert.equal((await api.get('/x', { responseType, adapter: 'fetch' })).status, 200))
  }
  await staged([() => [401, { code: 'bad_credentials' }]], async ({ api }) => {
    const { response } = await api.get('/x', { responseType: 'stream' }).catch((error) => error)
    assert.equal((await response.data.toArray()).join(''), '{"code":"bad_credentials"}', 'and stays readable')
    const other = await api.get('/x', { responseType: 'stream', adapter: 'fetch' }).catch((error) => error)
    assert.equal(await new Response(other.response.data).text(), '{"code":"bad_credentials"}')
  })
})

test('a stream is sent once, after a refresh', async () => {
  await staged([echo], async ({ api, paths }) => {
    assert.equal((await api.post('/x', Readable.from(['once']))).data.body, 'once')
    assert.deepEqual(paths, ['/session', '/refresh'])
  })
})

test('Retry-After is waited for', async () => {
  await staged([() => [503, {}, { 'retry-after': '1' }], echo], async ({ api, seen }) => {
    const from = performance.now()
    assert.equal((await api.get('/x')).status, 200)
    assert.ok(performance.now() - from >= 990)
    assert.equal(seen.length, 2)
  })
})

test('an abort ends a wait as axios says it', async () => {
  await staged([() => [503, {}, { 'retry-after': '20' }]], async ({ api }) => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 100)
    await assert.rejects(api.get('/x', { signal: controller.signal }), (error) => axios.isCancel(error) && error.code === 'ERR_CANCELED')
  })
})

test("a failed refresh is axios' error, and signs nobody out", async () => {
  await staged(
    [expired],
    async ({ api, auth }) => {
      await assert.rejects(api.get('/x'), (error) => axios.isAxiosError(error) && error.code === 'ERR_BAD_RESPONSE' && error.response.status === 500 && error.response.data.code === 'internal_error')
      assert.equal((await api.get('/x', { validateStatus: () => true })).status, 500)
      assert.equal(auth.session().state, 'in')
    },
    () => new Response('{"code":"internal_error"}', { status: 500 }),
  )
  await staged(
    [expired],
    async ({ api }) => assert.rejects(api.get('/x'), (error) => axios.isAxiosError(error) && error.code === 'ERR_NETWORK' && error.config.url === '/x'),
    () => Promise.reject(new TypeError('no network')),
  )
})

test('another origin gets nothing, and removed rules do nothing', async () => {
  await staged([echo], async ({ api, stop, paths }) => {
    const other = await app(echo)
    assert.equal((await api.post(`${other.url}/x`)).data.csrf, null)
    other.stop()
    assert.deepEqual(paths, [])
    stop()
    assert.equal((await api.post('/x')).data.csrf, null)
  })
})

test('an access token does not follow a redirect to another origin', async () => {
  const seen = []
  const other = await listen((request, response) => {
    seen.push(request.headers.authorization)
    response.end('{}')
  })
  const front = await listen((request, response) => {
    const answer = { '/login': '{"access_token":"a","refresh_token":"r"}', '/session': '{"state":"in","user":{"id":"1","username":"ann"}}' }[request.url]
    if (answer) return response.end(answer)
    seen.push(request.headers.authorization)
    response.writeHead(307, { location: `${other.url}/stolen` }).end()
  })
  try {
    for (const adapter of ['http', 'fetch']) {
      const auth = createBearerAuth({ baseUrl: front.url })
      await auth.login({ username: 'ann', password: PASSWORD })
      const api = axios.create({ baseURL: front.url, adapter })
      addAuth(api, auth)
      await api.get('/redirect')
    }
    assert.deepEqual(seen, ['Bearer a', undefined, 'Bearer a', undefined])
  } finally {
    front.stop()
    other.stop()
  }
})

test('an interceptor that sends a request again does not refresh twice', async () => {
  await staged([expired], async ({ api, paths }) => {
    let isAgain = false
    api.interceptors.response.use(undefined, (error) => {
      if (isAgain) throw error
      isAgain = true
      return api.request(error.config)
    })
    await assert.rejects(api.get('/x'), { status: 401 })
    assert.equal(paths.filter((path) => path === '/refresh').length, 2, 'one for each of its two requests')
  })
})
