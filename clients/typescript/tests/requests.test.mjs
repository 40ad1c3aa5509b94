// What the client does with arguments and headers, against a fake fetch. tests/browser has the rest.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuth } from '../dist/index.js'

const BASE = 'https://login.example.org'
const json = (status, data, headers = {}) => new Response(JSON.stringify(data), { status, headers })
const expired = () => json(401, { code: 'token_expired' })
const granted = () => json(200, { refresh: true, expires_in: 3600, refresh_expires_in: 7200, csrf_access_token: 'a', csrf_refresh_token: 'a' })
const session = () => json(200, { state: 'in', user: { id: '1', username: 'ann' }, csrf: { access: 'a', refresh: 'a' } })

/** A client whose server answers each path with these functions in turn, the last one for ever. */
function client(routes = {}) {
  const sent = []
  const all = { '/session': [session], '/refresh': [granted], ...routes }
  const fetch = async (input, init) => {
    const request = new Request(input, init)
    const { pathname } = new URL(request.url)
    sent.push({ method: request.method, path: pathname, csrf: request.headers.get('x-csrf-token'), text: await request.text(), input, init })
    const answers = all[pathname] ?? [() => json(200, {})]
    return (answers.length > 1 ? answers.shift() : answers[0])()
  }
  return { auth: createAuth({ baseUrl: BASE, csrf: 'body', fetch }), sent, paths: () => sent.map(({ path }) => path) }
}

test('a request to another origin is passed on as it is', async () => {
  const { auth, sent } = client()
  const init = { method: 'POST', body: 'x' }
  await auth.fetch('https://other.example/', init)
  assert.deepEqual([sent.length, sent[0].input, sent[0].init, sent[0].csrf], [1, 'https://other.example/', init, null])
})

test('unsafe methods get the CSRF token, and safe ones do not', async () => {
  const { auth, sent } = client()
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) await auth.fetch(`${BASE}/x`, { method })
  await auth.refresh()
  const tokens = sent.filter(({ path }) => path !== '/session').map(({ method, csrf }) => `${method} ${csrf}`)
  assert.deepEqual(tokens, ['GET null', 'HEAD null', 'POST a', 'PUT a', 'PATCH a', 'DELETE a', 'POST a'])
})

test('a refusal that is no fault of the token is returned at once', async () => {
  const refusals = [
    [401, 'bad_credentials'],
    [401, 'fresh_token_required'],
    [401, 'session_revoked'],
    [403, 'admin_required'],
    [422, undefined],
    [401, undefined],
  ]
  for (const [status, code] of refusals) {
    const { auth, paths } = client({ '/x': [() => json(status, { code })] })
    const response = await auth.fetch(`${BASE}/x`)
    assert.deepEqual([response.status, (await response.json()).code], [status, code])
    assert.deepEqual(paths(), ['/session', '/x'])
  }
})

test('each fault of the token leads to one refresh and one repetition', async () => {
  for (const code of ['token_expired', 'token_revoked', 'missing_token', 'invalid_signature']) {
    const { auth, paths } = client({ '/x': [() => json(code === 'invalid_signature' ? 422 : 401, { code })] })
    assert.equal((await (await auth.fetch(`${BASE}/x`)).json()).code, code)
    assert.deepEqual(paths(), ['/session', '/x', '/session', '/refresh', '/x'])
  }
})

test('requests that wait for a refresh share it', async () => {
  const left = Array.from({ length: 50 }, () => expired)
  const { auth, paths } = client({ '/x': [...left, () => json(200, {})] })
  const all = await Promise.all(left.map(() => auth.fetch(`${BASE}/x`)))
  assert.ok(all.every(({ status }) => status === 200))
  assert.equal(paths().filter((path) => path === '/refresh').length, 1)
})

/** The server says this when the cookie has a valid access token until that second. */
const until = (access_expires_at) => () => json(200, { state: 'in', user: { id: '1', username: 'ann' }, access_expires_at, csrf: { access: 'a', refresh: 'a' } })

test('a token that another tab has got is used, without a refresh', async () => {
  const { auth, paths } = client({ '/session': [session, until(2000)], '/x': [expired, () => json(200, {})] })
  assert.equal((await auth.fetch(`${BASE}/x`)).status, 200)
  assert.deepEqual(paths(), ['/session', '/x', '/session', '/x'])
})

test('a token that an app refuses although the server finds it valid is refreshed', async () => {
  const { auth, paths } = client({ '/session': [session, until(2000)], '/x': [expired, expired, () => json(200, {})] })
  assert.equal((await auth.fetch(`${BASE}/x`)).status, 200)
  assert.deepEqual(paths(), ['/session', '/x', '/session', '/x', '/session', '/refresh', '/x'])
})

test('the access token of another login than that of the refresh token is not used', async () => {
  const mixed = () => json(200, { state: 'in', user: { id: '1', username: 'ann' }, csrf: { access: 'of Ann', refresh: 'of Bob' } })
  const bob = () => json(200, { state: 'in', user: { id: '2', username: 'bob' }, csrf: { access: 'of Bob', refresh: 'of Bob' } })
  const { auth, sent, paths } = client({ '/session': [mixed, mixed, bob] })
  assert.equal((await auth.check()).user.username, 'bob')
  assert.deepEqual(paths(), ['/session', '/session', '/refresh', '/session'])
  assert.equal(sent[2].csrf, 'of Bob')
})

test('every request of its own ends some time, as a browser can lose the response when it freezes a tab', async () => {
  const { auth, sent } = client({ '/login': [granted], '/x': [expired] })
  await auth.check()
  await auth.fetch(`${BASE}/x`)
  await auth.register({ username: 'ann', password: 'x' })
  await auth.logout()
  const own = sent.filter(({ path }) => path !== '/x')
  assert.deepEqual([...new Set(own.map(({ path }) => path))].sort(), ['/logout', '/refresh', '/register', '/session'])
  assert.deepEqual(own.filter(({ init }) => !init.signal).map(({ path }) => path), [])
})

test('refresh() gets a new token even if there is a valid one', async () => {
  const { auth, paths } = client({ '/session': [until(2000)] })
  await auth.check()
  assert.equal((await auth.refresh()).ok, true)
  assert.deepEqual(paths(), ['/session', '/refresh'])
})

test('a lost CSRF token is loaded, once, without a refresh', async () => {
  const csrf = () => json(200, { csrf_access_token: 'new', csrf_refresh_token: 'a' })
  const { auth, sent, paths } = client({ '/x': [() => json(401, { code: 'csrf_mismatch' })], '/csrf': [csrf] })
  assert.equal((await auth.fetch(`${BASE}/x`, { method: 'POST' })).status, 401)
  assert.equal(sent.at(-1).csrf, 'new')
  assert.deepEqual(paths().filter((path) => path !== '/session'), ['/x', '/csrf', '/x'])
})

test('Retry-After is waited for as seconds and as a date by the clock of the server', async () => {
  const date = { 'retry-after': 'Wed, 01 Jan 2020 00:00:01 GMT', date: 'Wed, 01 Jan 2020 00:00:00 GMT' }
  for (const [status, headers] of [[503, { 'retry-after': '1' }], [429, date]]) {
    const { auth, sent } = client({ '/x': [() => json(status, {}, headers), () => json(200, {})] })
    const from = performance.now()
    assert.equal((await auth.fetch(`${BASE}/x`, { method: 'POST', body: 'x' })).status, 200)
    assert.ok(performance.now() - from >= 990)
    assert.deepEqual(sent.slice(1).map(({ text }) => text), ['x', 'x'])
  }
})

test('a wait past the limit, or of no length, is left to the caller', async () => {
  for (const headers of [{ 'retry-after': '3600' }, {}, { 'retry-after': 'soon' }]) {
    const { auth, paths } = client({ '/x': [() => json(503, {}, headers)] })
    assert.equal((await auth.fetch(`${BASE}/x`)).status, 503)
    assert.deepEqual(paths(), ['/session', '/x'])
  }
})

test('an abort ends the wait, and so does dispose', async () => {
  const busy = () => json(503, {}, { 'retry-after': '20' })
  const first = client({ '/x': [busy] })
  await assert.rejects(first.auth.fetch(`${BASE}/x`, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
  const second = client({ '/x': [busy] })
  const waiting = second.auth.fetch(`${BASE}/x`)
  setTimeout(second.auth.dispose, 50)
  await assert.rejects(waiting, { name: 'AbortError' })
})

test('a stream, which cannot be sent twice, follows a refresh', async () => {
  const { auth, sent, paths } = client()
  const body = new Blob(['once']).stream()
  assert.equal((await auth.fetch(`${BASE}/x`, { method: 'POST', body, duplex: 'half' })).status, 200)
  assert.deepEqual(paths(), ['/session', '/refresh', '/x'])
  assert.equal(sent.at(-1).text, 'once')
  const again = new Blob(['twice']).stream()
  await auth.fetch(`${BASE}/x`, { method: 'POST', body: again, duplex: 'half' })
  assert.deepEqual(paths().slice(3), ['/x'], 'the token is new')
})

test('a failure of the refresh that ends no session is passed on, and signs nobody out', async () => {
  for (const status of [500, 502]) {
    const { auth } = client({ '/x': [expired], '/refresh': [() => json(status, { code: 'internal_error' })] })
    assert.equal((await auth.fetch(`${BASE}/x`)).status, status)
    assert.equal(auth.session().state, 'in')
  }
  const proxy = client({ '/x': [expired], '/refresh': [() => new Response('<h1>Log in to the proxy</h1>', { status: 401 })] })
  assert.equal((await proxy.auth.fetch(`${BASE}/x`)).status, 401)
  assert.equal(proxy.auth.session().state, 'in')
  const away = client({ '/x': [expired], '/refresh': [() => Promise.reject(new TypeError('no network'))] })
  await assert.rejects(away.auth.fetch(`${BASE}/x`), { message: 'no network' })
  assert.equal(away.auth.session().state, 'in')
})

test('only the server ends a session', async () => {
  for (const code of ['session_revoked', 'refresh_token_reused', 'missing_token', 'user_disabled']) {
    const { auth, paths } = client({ '/x': [expired], '/refresh': [() => json(401, { code })] })
    const told = []
    auth.subscribe(({ state }) => told.push(state))
    assert.equal((await (await auth.fetch(`${BASE}/x`)).json()).code, 'token_expired')
    assert.deepEqual(told, ['unknown', 'in', 'out'])
    assert.deepEqual(paths(), ['/session', '/x', '/session', '/refresh'])
  }
})

test('a superseded refresh is sent again', async () => {
  const { auth, paths } = client({ '/x': [expired, () => json(200, {})], '/refresh': [() => json(401, { code: 'refresh_superseded' }), granted] })
  assert.equal((await auth.fetch(`${BASE}/x`)).status, 200)
  assert.deepEqual(paths(), ['/session', '/x', '/session', '/refresh', '/session', '/refresh', '/x'])
})

test('a server without GET /session is asked by GET /protected', async () => {
  const missing = () => json(404, { code: 'not_found' })
  const { auth, paths } = client({ '/session': [missing], '/protected': [() => json(200, { logged_in_as: 'ann' })] })
  assert.deepEqual(await auth.check(), { state: 'in', user: { username: 'ann' } })
  await auth.check()
  assert.deepEqual(paths(), ['/session', '/protected', '/csrf', '/protected', '/csrf'])
})

test('a refused login says why, and when to try again', async () => {
  const refusal = () => json(429, { code: 'too_many_attempts', msg: 'Too many', hint: 'Wait.' }, { 'retry-after': '30' })
  const { auth, paths } = client({ '/login': [refusal] })
  const expected = { ok: false, code: 'too_many_attempts', message: 'Too many', hint: 'Wait.', retryable: true, retryAfter: 30 }
  assert.deepEqual(await auth.login({ username: 'ann', password: 'x' }), expected)
  assert.deepEqual(paths(), ['/login'])
})

test('a listener that throws stops neither the others nor the client', async () => {
  const { auth } = client()
  const faults = []
  globalThis.reportError = ({ message }) => faults.push(message)
  const told = []
  auth.subscribe(() => {
    throw new Error('of a listener')
  })
  const stop = auth.subscribe(({ state }) => told.push(state))
  await auth.check()
  stop()
  delete globalThis.reportError
  assert.deepEqual(told, ['unknown', 'in'])
  assert.deepEqual(faults, ['of a listener', 'of a listener'])
})
