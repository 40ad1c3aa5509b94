// The client of a page that is rendered on a server, against the server as built.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { after, before, test } from 'node:test'
import { createServerAuth } from '../dist/ssr.js'
import { listen, PASSWORD, serve } from './support.mjs'

let server
before(async () => (server = await serve()))
after(() => server?.stop())

/** A browser's cookies. */
class Browser {
  cookies = new Map()
  get header() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }
  keep(lines) {
    for (const line of lines) {
      const [, name, value, rest] = /^([^=]+)=([^;]*)(.*)$/.exec(line)
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(rest)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
  }
  async login(url = server.url, username = 'ann') {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${url}/login`, { method: 'POST', headers, body: JSON.stringify({ username, password: PASSWORD }) })
    assert.equal(response.status, 200)
    this.keep(response.headers.getSetCookie())
    return this
  }
  /** What the browser does itself when the access cookie expires. */
  expire() {
    this.cookies.delete('access_token_cookie')
    this.cookies.delete('csrf_access_token')
    return this
  }
  /** The request for a page, as a browser sends it. */
  request(headers = {}) {
    return new Request('https://app.example.org/notes', {
      headers: {
        cookie: this.header,
        accept: 'text/html,application/xhtml+xml',
        'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0',
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        ...headers,
      },
    })
  }
}

/** The client of a page, and the requests that it sent. */
function page(browser, options = {}) {
  const sent = []
  const meddle = options.meddle
  const spy = async (input, init) => {
    const request = new Request(input, init)
    const { pathname } = new URL(request.url)
    sent.push({ method: request.method, path: pathname, headers: request.headers, cache: request.cache })
    return (await meddle?.(pathname, request)) || fetch(request)
  }
  const auth = createServerAuth(browser.request(options.headers), { baseUrl: server.url, fetch: spy, ...options.settings })
  return { auth, sent, paths: () => sent.map(({ path }) => path), count: (path) => sent.filter((one) => one.path === path).length }
}

test('a page knows who is logged in, and sends its requests as that user', async () => {
  const browser = await new Browser().login()
  const { auth, sent, paths } = page(browser)
  const session = await auth.session()
  assert.deepEqual([session.state, session.user.username], ['in', 'ann'])
  assert.ok(session.expiresAt > Date.now())
  assert.deepEqual(JSON.parse(JSON.stringify(session)), session)
  const response = await auth.fetch('/protected')
  assert.deepEqual(await response.json(), { logged_in_as: 'ann' })
  await auth.session()
  assert.deepEqual(paths(), ['/session', '/protected'], 'the session is asked for once')
  assert.deepEqual(sent.map(({ cache }) => cache), ['no-store', 'no-store'], 'no framework may keep it for others')
  assert.deepEqual(auth.setCookies(), [])
})

test('a visitor costs no request', async () => {
  const { auth, paths } = page(new Browser())
  assert.deepEqual(await auth.session(), { state: 'out' })
  assert.deepEqual(paths(), [])
  const response = await auth.fetch('/protected')
  assert.deepEqual([response.status, (await response.json()).code], [401, 'missing_token'], 'and not a redirect to the login form')
  assert.deepEqual(paths(), ['/protected'])
})

test('all requests of a page share one refresh, and the browser gets its cookies', async () => {
  const browser = (await new Browser().login()).expire()
  const first = browser.header
  const { auth, count } = page(browser)
  const all = await Promise.all(Array.from({ length: 20 }, () => auth.fetch('/protected')))
  assert.deepEqual([...new Set(all.map(({ status }) => status))], [200])
  assert.equal(count('/refresh'), 1)
  const lines = auth.setCookies()
  assert.ok(lines.every((line) => /; Path=/.test(line)))
  browser.keep(lines)
  assert.notEqual(browser.header, first)
  const next = page(browser)
  assert.equal((await next.auth.fetch('/protected')).status, 200)
  assert.equal(next.count('/refresh'), 0)
})

test('a 401 that arrives after the refresh of another request causes none', async () => {
  const browser = (await new Browser().login()).expire()
  let arrive
  const late = new Promise((resolve) => (arrive = resolve))
  const { auth, count } = page(browser, {
    meddle: async (path, request) => {
      if (path !== '/late') return
      const response = await fetch(`${server.url}/protected`, { headers: request.headers })
      await late
      return response
    },
  })
  const waiting = auth.fetch('/late')
  assert.equal((await auth.fetch('/protected')).status, 200)
  arrive()
  assert.equal((await waiting).status, 200)
  assert.equal(count('/refresh'), 1)
})

test('an old cookie that a response removes beside the new one of the same name does not remove both', async () => {
  const browser = await new Browser().login()
  const lines = ['twin=new; Path=/', 'twin=; Path=/; Domain=example.org; Max-Age=0', 'gone=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT']
  browser.keep(['twin=old', 'gone=old'])
  const { auth, sent } = page(browser, { meddle: (path) => path === '/set' && new Response('{}', { headers: lines.map((line) => ['set-cookie', line]) }) })
  await auth.fetch('/set')
  await auth.fetch('/protected')
  const cookies = sent[1].headers.get('cookie').split('; ')
  assert.deepEqual(cookies.filter((one) => /twin|gone/.test(one)), ['twin=new'])
  assert.deepEqual(auth.setCookies(), lines)
})

test('a refresh token that another tab has replaced leaves the question to the browser', async () => {
  const old = await new Browser().login()
  const headers = { 'content-type': 'application/json', 'x-csrf-token': old.cookies.get('csrf_refresh_token'), cookie: old.header }
  const body = JSON.stringify({ current_password: PASSWORD, new_password: PASSWORD })
  assert.equal((await fetch(`${server.url}/account/password`, { method: 'POST', headers, body })).status, 200)
  const { auth, count } = page(old.expire())
  assert.equal((await auth.fetch('/protected')).status, 401)
  assert.equal((await auth.fetch('/protected')).status, 401)
  assert.equal((await auth.session()).state, 'unknown')
  assert.equal(count('/refresh'), 1, 'it cannot become valid')
  assert.deepEqual(auth.setCookies(), [])
})

test('the session of an expired access token is restored', async () => {
  const browser = (await new Browser().login()).expire()
  const { auth, paths } = page(browser)
  const [session, again] = await Promise.all([auth.session(), auth.session()])
  assert.deepEqual([session.state, session.user.username, again.user.username], ['in', 'ann', 'ann'])
  assert.deepEqual(paths(), ['/session', '/refresh', '/session'])
})

test('two pages of one browser that are rendered at once both refresh, and either answer serves', async () => {
  const browser = (await new Browser().login()).expire()
  const [one, two] = [page(browser), page(browser)]
  const answers = await Promise.all([one.auth.fetch('/protected'), two.auth.fetch('/protected')])
  assert.deepEqual(answers.map(({ status }) => status), [200, 200])
  browser.keep(two.auth.setCookies())
  browser.keep(one.auth.setCookies())
  assert.equal((await page(browser.expire()).auth.session()).state, 'in')
})

test('a revoked access token is replaced, and an unsafe request repeated with its body and CSRF token', async () => {
  const browser = await new Browser().login()
  await server.revokeAccess('ann')
  const { auth, sent } = page(browser)
  const body = JSON.stringify({ old_password: 'wrong', new_password: 'correct horse 2' })
  const response = await auth.fetch('/account/password', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const { code } = await response.json()
  assert.deepEqual(sent.map(({ path }) => path), ['/account/password', '/refresh', '/account/password'])
  assert.ok(sent.every(({ headers }) => headers.get('x-csrf-token') === browser.cookies.get('csrf_refresh_token')))
  assert.notEqual(code, 'csrf_missing')
})

test('only headers that mean the same for the page are passed on', async () => {
  const browser = await new Browser().login()
  const headers = { 'x-request-id': 'page-1', 'accept-language': 'ko', authorization: 'Basic eA==', origin: 'https://evil.example', referer: 'https://evil.example/', 'x-forwarded-for': '192.0.2.1', range: 'bytes=0-1' }
  const { auth, sent } = page(browser, { headers })
  await auth.fetch('/protected', { headers: { accept: 'application/json' } })
  assert.deepEqual([...sent[0].headers.keys()].sort(), ['accept', 'cookie', 'user-agent', 'x-request-id'])
  const known = page(browser, { settings: { clientAddress: '203.0.113.7' } })
  await known.auth.fetch('/protected')
  assert.equal(known.sent[0].headers.get('x-forwarded-for'), '203.0.113.7')
})

test('another origin gets neither cookies nor a CSRF token, not even by a redirect', async () => {
  const seen = []
  const other = await listen((request, response) => {
    seen.push(request.headers)
    response.setHeader('Set-Cookie', 'access_token_cookie=of-another-user; Path=/').end('{}')
  })
  const front = await listen((request, response) => response.writeHead(307, { location: `${other.url}/stolen` }).end())
  try {
    const browser = await new Browser().login()
    await page(browser).auth.fetch(`${other.url}/`, { method: 'POST' })
    const auth = createServerAuth(browser.request(), { baseUrl: front.url })
    await auth.fetch('/redirect')
    assert.equal(seen.length, 2)
    assert.deepEqual(auth.setCookies(), [], 'the other origin sets no cookies of this one')
    for (const headers of seen) assert.deepEqual([headers.cookie, headers.authorization, headers['x-csrf-token']], [undefined, undefined, undefined])
  } finally {
    other.stop()
    front.stop()
  }
})

test('once its head is sent, a page refreshes no more', async () => {
  const browser = (await new Browser().login()).expire()
  const { auth, count } = page(browser)
  assert.deepEqual(auth.setCookies(), [])
  assert.equal((await auth.fetch('/protected')).status, 401)
  assert.deepEqual(await auth.session(), { state: 'unknown' }, 'the browser finds out')
  assert.equal(count('/refresh'), 0)
})

test('a refresh that ends after the head was sent is not used', async () => {
  const browser = (await new Browser().login()).expire()
  const { auth, count } = page(browser, {
    meddle: (path) => {
      if (path === '/refresh') auth.setCookies()
    },
  })
  assert.equal((await auth.fetch('/protected')).status, 401)
  assert.equal(count('/protected'), 1)
  assert.deepEqual(auth.setCookies(), [])
})

test("an ended session is refreshed once, its cookies go, and the page is a visitor's", async () => {
  const browser = (await new Browser().login(server.url, 'bob')).expire()
  await server.endSessions('bob')
  const { auth, count } = page(browser)
  const answers = await Promise.all([auth.fetch('/protected'), auth.fetch('/protected'), auth.session()])
  assert.deepEqual(answers.map(({ status, state }) => status ?? state), [401, 401, 'out'])
  assert.equal((await auth.fetch('/protected')).status, 401)
  assert.equal(count('/refresh'), 1)
  browser.keep(auth.setCookies())
  assert.deepEqual([...browser.cookies.keys()], ['device_cookie'])
})

test('a failure of the server or the network signs nobody out', async () => {
  const browser = (await new Browser().login()).expire()
  const busy = (path) => path === '/refresh' && new Response('{"code":"unavailable"}', { status: 503, headers: { 'retry-after': '60' } })
  const away = (path) => path === '/refresh' && Promise.reject(new TypeError('no network'))
  const first = page(browser, { meddle: busy })
  assert.equal((await first.auth.fetch('/protected')).status, 503)
  const second = page(browser, { meddle: away })
  await assert.rejects(second.auth.fetch('/protected'), { message: 'no network' })
  for (const { auth } of [first, second]) {
    assert.deepEqual(await auth.session(), { state: 'unknown' })
    assert.deepEqual(auth.setCookies(), [])
  }
})

test('a login and a logout on the server change the cookies of the page', async () => {
  const browser = new Browser()
  const { auth } = page(browser)
  const headers = { 'content-type': 'application/json' }
  await auth.fetch('/login', { method: 'POST', headers, body: JSON.stringify({ username: 'ann', password: PASSWORD }) })
  assert.equal((await auth.session()).user.username, 'ann')
  assert.equal((await auth.fetch('/logout', { method: 'POST' })).status, 200)
  assert.equal((await auth.session()).state, 'out')
  browser.keep(auth.setCookies())
  assert.deepEqual([...browser.cookies.keys()], ['device_cookie'])
})

test('a stream is sent once, with a token that is valid', async () => {
  const browser = (await new Browser().login()).expire()
  const { auth, sent } = page(browser)
  const body = new Blob(['{"old_password":"x","new_password":"y"}']).stream()
  await auth.fetch('/account/password', { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' })
  assert.deepEqual(sent.map(({ path }) => path), ['/session', '/refresh', '/session', '/account/password'])
})

test("Node's own requests serve too", async () => {
  const browser = await new Browser().login()
  const front = await listen(async (request, response) => {
    const auth = createServerAuth(request, { baseUrl: server.url })
    const { user } = await auth.session()
    response.setHeader('Set-Cookie', auth.setCookies()).end(user.username)
  })
  try {
    const { port } = new URL(front.url)
    const request = http.get({ port, headers: { cookie: [browser.header, 'theme=dark'] } })
    const [response] = await once(request, 'response')
    assert.equal((await response.setEncoding('utf8').toArray()).join(''), 'ann')
  } finally {
    front.stop()
  }
})

test('a refresh cookie of another path leaves the question to the browser', async () => {
  const own = await serve({ JWT_REFRESH_COOKIE_PATH: '/refresh' })
  try {
    const browser = (await new Browser().login(own.url)).expire()
    browser.cookies.delete('refresh_token_cookie')
    const { auth, paths } = page(browser, { settings: { baseUrl: own.url } })
    assert.deepEqual(await auth.session(), { state: 'unknown' })
    assert.equal((await auth.fetch('/protected')).status, 401)
    assert.deepEqual(paths(), ['/session', '/protected'])
  } finally {
    await own.stop()
  }
})

test('a server that is reached by an internal name knows the address of the browser', async () => {
  const own = await serve({ PUBLIC_URL: 'http://login.example.org', SERVER_TRUSTED_PROXIES: '127.0.0.1' })
  try {
    const named = (input, init) => {
      const request = new Request(input, init)
      request.headers.set('host', 'tokenpair:8080')
      return fetch(request)
    }
    const settings = { baseUrl: own.url, clientAddress: '203.0.113.7', fetch: named }
    const browser = new Browser()
    const login = page(browser, { settings }).auth
    const body = JSON.stringify({ username: 'ann', password: PASSWORD })
    assert.equal((await login.fetch('/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status, 200)
    browser.keep(login.setCookies())
    const { auth } = page(browser.expire(), { settings })
    assert.equal((await auth.session()).state, 'in', 'the refresh is not refused')
    const { sessions } = await (await auth.fetch('/sessions')).json()
    assert.equal(sessions.find(({ current }) => current).ip, '203.0.113.7')
  } finally {
    await own.stop()
  }
})

test('CSRF tokens that are not in cookies are loaded', async () => {
  const own = await serve({ JWT_CSRF_IN_COOKIES: 'false' })
  try {
    const browser = (await new Browser().login(own.url)).expire()
    const { auth, paths } = page(browser, { settings: { baseUrl: own.url } })
    assert.equal((await auth.fetch('/logout', { method: 'POST' })).status, 200)
    assert.deepEqual(paths(), ['/logout', '/csrf', '/logout'])
    const next = page((await new Browser().login(own.url)).expire(), { settings: { baseUrl: own.url } })
    assert.equal((await next.auth.session()).state, 'in')
    assert.deepEqual(next.paths(), ['/session', '/csrf', '/refresh', '/session'])
  } finally {
    await own.stop()
  }
})
