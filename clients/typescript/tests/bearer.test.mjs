// The client of a program that keeps its tokens itself, against the server as built.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import vm from 'node:vm'
import { transformSync } from 'esbuild'
import { createBearerAuth } from '../dist/bearer.js'
import { listen, PASSWORD, serve } from './support.mjs'

let server
before(async () => (server = await serve()))
after(() => server?.stop())

/** A keychain, which may fail. */
function keychain(token = null) {
  const own = { token, written: [], reads: 0, fails: false }
  own.storage = {
    async get() {
      own.reads += 1
      if (own.fails) throw new Error('the keychain is locked')
      return own.token
    },
    async set(token) {
      if (own.fails) throw new Error('the keychain is locked')
      await own.delay?.(token)
      own.token = token
      own.written.push(token)
    },
  }
  return own
}

const deferred = () => {
  const own = {}
  own.promise = new Promise((resolve, reject) => Object.assign(own, { resolve, reject }))
  return own
}

/** A client, the requests that it sent, and the events that it told. */
function client(options = {}) {
  const own = { sent: [], events: [], meddle: undefined }
  const spy = async (input, init) => {
    const request = new Request(input, init)
    const { pathname } = new URL(request.url)
    const { headers, method, credentials } = request
    const one = { method, path: pathname, authorization: headers.get('authorization'), cookie: headers.get('cookie'), credentials }
    own.sent.push(one)
    return (await own.meddle?.(one, request)) ?? fetch(request)
  }
  own.auth = createBearerAuth({ baseUrl: server.url, fetch: spy, onEvent: (event) => own.events.push(event), ...options })
  own.paths = () => own.sent.map(({ path }) => path)
  own.count = (path) => own.sent.filter((one) => one.path === path).length
  own.login = async (username = 'ann') => {
    assert.equal((await own.auth.login({ username, password: PASSWORD })).ok, true)
    own.sent.length = 0
    own.events.length = 0
    return own
  }
  return own
}

const user = async (response) => (await response.json()).logged_in_as

test('a login gives a session, and requests prove it in a header and nowhere else', async () => {
  const { auth, sent, events } = client()
  const told = []
  auth.subscribe(({ state }) => told.push(state))
  assert.deepEqual(auth.session(), { state: 'out' })
  const result = await auth.login({ username: ' ANN ', password: PASSWORD })
  assert.equal(result.ok, true)
  assert.ok(result.expiresAt > Date.now())
  assert.deepEqual([auth.session().state, auth.session().user.username], ['in', 'ann'])
  assert.equal(await user(await auth.fetch('/protected')), 'ann')
  assert.equal(await user(await auth.fetch(new Request(`${server.url}/protected`))), 'ann')
  assert.deepEqual(told, ['out', 'in'])
  assert.deepEqual(events.map(({ type, user }) => [type, user.username]), [['signed_in', 'ann']])
  for (const { path, authorization, cookie, credentials } of sent) {
    assert.equal(cookie, null)
    assert.equal(credentials, 'omit')
    assert.equal(/^Bearer \S+$/.test(authorization), path !== '/login')
  }
  assert.deepEqual(await auth.logout(), { ok: true })
  assert.deepEqual(auth.session(), { state: 'out' })
  assert.equal((await auth.fetch('/protected')).status, 401)
})

test('an account is created, and a refusal says why', async () => {
  const { auth, paths } = client()
  assert.deepEqual(await auth.register({ username: 'cleo', password: PASSWORD }), { ok: true })
  const taken = await auth.register({ username: 'cleo', password: PASSWORD })
  assert.deepEqual([taken.ok, taken.code, taken.retryable], [false, 'username_taken', false])
  const wrong = await auth.login({ username: 'cleo', password: 'wrong' })
  assert.deepEqual([wrong.ok, wrong.code], [false, 'bad_credentials'])
  assert.deepEqual(paths(), ['/register', '/register', '/login'], 'each is sent once')
})

test('without a token there is nothing to refresh, and nothing is sent', async () => {
  const { auth, paths } = client()
  const { ok, code, retryable } = await auth.refresh()
  assert.deepEqual([ok, code, retryable, ...paths()], [false, 'missing_token', false])
})

test('requests that wait for a refresh share it', async () => {
  const { auth, count, events } = await client().login()
  await server.revokeAccess('ann')
  const all = await Promise.all(Array.from({ length: 50 }, async () => user(await auth.fetch('/protected'))))
  assert.deepEqual([...new Set(all)], ['ann'])
  assert.equal(count('/refresh'), 1)
  assert.deepEqual(events, [{ type: 'refreshed' }])
})

test('a 401 that arrives after the refresh of another request causes none', async () => {
  const own = await client().login()
  await server.revokeAccess('ann')
  const late = deferred()
  own.meddle = async ({ path }, request) => {
    if (path !== '/late') return
    const response = await fetch(new Request(`${server.url}/protected`, { headers: request.headers }))
    await late.promise
    return response
  }
  const waiting = own.auth.fetch('/late')
  assert.equal((await own.auth.fetch('/protected')).status, 200)
  late.resolve()
  assert.equal((await waiting).status, 200)
  assert.equal(own.count('/refresh'), 1)
})

test('a program that restarts goes on with the token in the storage', async () => {
  const chain = keychain()
  await client({ storage: chain.storage }).login()
  const first = chain.token
  const { auth, paths, events } = client({ storage: chain.storage })
  assert.deepEqual(auth.session(), { state: 'unknown' })
  assert.equal(await user(await auth.fetch('/protected')), 'ann')
  assert.deepEqual(paths(), ['/refresh', '/session', '/protected'])
  assert.equal(auth.session().user.username, 'ann')
  assert.notEqual(chain.token, first)
  assert.deepEqual(events, [{ type: 'refreshed' }])
  await auth.logout()
  assert.equal(chain.token, null)
  const next = client({ storage: chain.storage })
  assert.deepEqual(await next.auth.check(), { state: 'out' })
  assert.deepEqual(next.paths(), [])
})

test("two processes that share a storage take over each other's tokens, even if no old one is forgiven", async () => {
  const strict = await serve({ SESSION_REUSE_POLICY: 'strict' })
  try {
    const chain = keychain()
    const options = { storage: chain.storage, baseUrl: strict.url }
    const one = await client(options).login()
    const two = client(options)
    for (let turn = 0; turn < 3; turn += 1) {
      await strict.revokeAccess('ann')
      for (const { auth } of [two, one]) assert.equal(await user(await auth.fetch('/protected')), 'ann')
    }
    assert.deepEqual([...one.events, ...two.events].filter(({ type }) => type === 'signed_out'), [])
  } finally {
    await strict.stop()
  }
})

test('a token that was used elsewhere ends the session, and says why', async () => {
  const strict = await serve({ SESSION_REUSE_POLICY: 'strict' })
  try {
    const chain = keychain()
    const { auth, events, count } = await client({ storage: chain.storage, baseUrl: strict.url }).login()
    const stolen = await fetch(`${strict.url}/refresh`, { method: 'POST', headers: { authorization: `Bearer ${chain.token}` } })
    assert.equal(stolen.status, 200)
    await strict.revokeAccess('ann')
    const all = await Promise.all([1, 2, 3].map(() => auth.fetch('/protected')))
    assert.deepEqual(all.map(({ status }) => status), [401, 401, 401])
    assert.equal(count('/refresh'), 1)
    assert.deepEqual(events, [{ type: 'signed_out', code: 'refresh_token_reused' }])
    assert.deepEqual([auth.session().state, chain.token], ['out', null])
    assert.equal((await (await auth.fetch('/protected')).json()).code, 'missing_token')
    assert.equal(count('/refresh'), 1, 'there is nothing left to refresh with')
  } finally {
    await strict.stop()
  }
})

test("tokens go to the server's origin alone, and do not follow a redirect to another", async () => {
  const seen = []
  const other = await listen((request, response) => {
    seen.push(request.headers)
    response.end('{}')
  })
  const { port } = new URL(other.url)
  try {
    const own = await client().login()
    const host = new URL(server.url).host
    const foreign = [
      `${other.url}/`,
      `http://${host}@127.0.0.1:${port}/`,
      `http://${host}\\@127.0.0.1:${port}/`,
      `http://${host}\n@127.0.0.1:${port}/`,
      `http:/${host}\\@127.0.0.1:${port}/`,
      new URL(other.url),
      new Request(other.url),
    ]
    for (const input of foreign) await own.auth.fetch(input).catch(() => {})
    assert.ok(own.sent.every(({ authorization, credentials }) => authorization === null && credentials === 'same-origin'))
    assert.ok(seen.every(({ authorization }) => authorization === undefined))
    assert.ok(seen.length >= 3)

    own.meddle = ({ path }, request) => path === '/redirect' && fetch(new Request(`${front.url}/`, request))
    const front = await listen((request, response) => {
      seen.push(request.headers)
      response.writeHead(307, { location: `${other.url}/stolen` }).end()
    })
    seen.length = 0
    await own.auth.fetch('/redirect')
    front.stop()
    assert.deepEqual(seen.map(({ authorization }) => Boolean(authorization)), [true, false])
  } finally {
    other.stop()
  }
})

test("addresses without an origin are the server's, whatever they contain", async () => {
  const own = await client().login()
  own.meddle = () => new Response('{}')
  for (const path of ['protected', '/protected', '//evil.example/protected', '/\\evil.example/protected']) await own.auth.fetch(path)
  const urls = []
  own.meddle = (_, request) => void urls.push(new URL(request.url).origin)
  for (const path of ['//evil.example/', '/\\evil.example/', ' //evil.example/']) await own.auth.fetch(path)
  assert.deepEqual([...new Set(urls)], [server.url])
})

test('a failure of the network or the server signs nobody out, and keeps the token', async () => {
  const chain = keychain()
  const own = await client({ storage: chain.storage }).login()
  const { token } = chain
  await server.revokeAccess('ann')
  const failures = [
    () => Promise.reject(new TypeError('no network')),
    () => new Response('{"code":"internal_error"}', { status: 500 }),
    () => new Response('{"code":"unavailable"}', { status: 503, headers: { 'retry-after': '60' } }),
    () => new Response('<h1>Log in to the proxy</h1>', { status: 401 }),
  ]
  const seen = []
  for (const fail of failures) {
    own.meddle = ({ path }) => (path === '/refresh' ? fail() : undefined)
    seen.push(await own.auth.fetch('/protected').then(({ status }) => status, ({ message }) => message))
    assert.equal(own.auth.session().state, 'in')
  }
  assert.deepEqual(seen, ['no network', 500, 503, 401])
  assert.equal(chain.token, token)
  const failed = await client({ fetch: () => Promise.reject(new TypeError('no network')), storage: chain.storage }).auth.logout()
  assert.deepEqual([failed.ok, failed.code, failed.retryable, chain.token], [false, 'network_error', true, token])
  own.meddle = undefined
  assert.equal(await user(await own.auth.fetch('/protected')), 'ann')
})

test('nothing that arrives after a logout takes effect', async () => {
  const chain = keychain()
  const own = await client({ storage: chain.storage }).login()
  await server.revokeAccess('ann')
  const [arrived, go] = [deferred(), deferred()]
  own.meddle = async ({ path }, request) => {
    if (path !== '/refresh') return
    const response = await fetch(request)
    arrived.resolve()
    await go.promise
    return response
  }
  const waiting = own.auth.fetch('/protected')
  await arrived.promise
  assert.deepEqual(await own.auth.logout(), { ok: true })
  go.resolve()
  assert.equal((await waiting).status, 401)
  assert.equal(own.count('/session'), 0, 'nobody asks whose the late token is')
  assert.deepEqual([own.auth.session(), chain.token], [{ state: 'out' }, null])
  assert.deepEqual(own.events, [{ type: 'signed_out' }])
  assert.equal((await own.auth.fetch('/protected')).status, 401)
})

test("a login as another user cancels what waits, and no request carries the other's token", async () => {
  const own = await client().login('ann')
  await server.revokeAccess('ann')
  const [arrived, go] = [deferred(), deferred()]
  own.meddle = async ({ path }, request) => {
    if (path !== '/refresh') return
    const response = await fetch(request)
    arrived.resolve()
    await go.promise
    return response
  }
  const waiting = ['/anns-1', '/anns-2'].map((path) => own.auth.fetch(path, { method: 'POST', body: 'of Ann' }))
  // A route that the server does not have is a 404 whatever the token, so these two wait for a token.
  const late = own.auth.fetch('/protected')
  await arrived.promise
  assert.equal((await own.auth.login({ username: 'bob', password: PASSWORD })).ok, true)
  go.resolve()
  await assert.rejects(late, { name: 'AbortError' })
  await Promise.allSettled(waiting)
  assert.equal(own.auth.session().user.username, 'bob')
  assert.equal(own.sent.filter(({ path }) => path === '/protected').length, 1, 'it was not repeated')
  assert.equal(await user(await own.auth.fetch('/protected')), 'bob')
})

test("a request never gets the next user's token, at whatever moment the login ends", async () => {
  const mixed = []
  for (let moment = 0; moment < 60; moment += 1) {
    const answer = deferred()
    const own = client()
    own.meddle = async ({ path, authorization }, request) => {
      const name = authorization?.slice('Bearer '.length)
      if (path === '/session' && name === 'bob') await answer.promise
      if (path === '/session') return new Response(JSON.stringify({ state: 'in', user: { id: name, username: name } }))
      const { username } = path === '/login' ? await request.json() : {}
      return new Response(JSON.stringify({ access_token: username, refresh_token: username }))
    }
    await own.auth.login({ username: 'ann', password: 'x' })
    const login = own.auth.login({ username: 'bob', password: 'x' })
    while (own.count('/session') < 2) await new Promise(setImmediate)
    answer.resolve()
    for (let turn = 0; turn < moment; turn += 1) await undefined
    const { username } = own.auth.session().user
    await own.auth.fetch('/x').catch(() => {})
    await login
    mixed.push(...own.sent.filter(({ path, authorization }) => path === '/x' && authorization !== `Bearer ${username}`))
  }
  assert.deepEqual(mixed, [])
})

test('a logout that follows a login at once ends it', async () => {
  const { auth } = client()
  const results = await Promise.all([auth.login({ username: 'ann', password: PASSWORD }), auth.logout()])
  assert.deepEqual(results.map(({ ok }) => ok), [true, true])
  assert.deepEqual(auth.session(), { state: 'out' })
  await client().login('ann')
  const other = await client().login('ann')
  const [, logout] = await Promise.all([other.auth.login({ username: 'bob', password: PASSWORD }), other.auth.logout()])
  assert.deepEqual([logout.ok, logout.code, other.auth.session().user.username], [false, 'user_changed', 'bob'], 'it was meant for Ann')
})

test("another process's login as another user cancels what waits", async () => {
  const chain = keychain()
  const one = await client({ storage: chain.storage }).login('ann')
  await client({ storage: chain.storage }).login('bob')
  await server.revokeAccess('ann')
  await assert.rejects(one.auth.fetch('/protected'), { name: 'AbortError' })
  assert.deepEqual(one.events.map(({ type, user }) => [type, user.username]), [['signed_in', 'bob']])
  assert.equal(await user(await one.auth.fetch('/protected')), 'bob')
  const two = await client({ storage: chain.storage }).login('ann')
  const { ok, code } = await one.auth.logout()
  assert.deepEqual([ok, code, two.auth.session().user.username], [false, 'user_changed', 'ann'])
  assert.equal((await two.auth.refresh()).ok, true, 'Ann stays logged in')
})

test('a request that waits while its user logs in again goes on', async () => {
  const own = await client().login('ann')
  let isBusy = true
  own.meddle = ({ path }) => (path === '/protected' && isBusy ? new Response('{}', { status: 503, headers: { 'retry-after': '1' } }) : undefined)
  const waiting = own.auth.fetch('/protected')
  await own.auth.login({ username: 'ann', password: PASSWORD })
  isBusy = false
  assert.equal(await user(await waiting), 'ann')
})

test('a new login ends the session that the client had', async () => {
  const own = await client().login('bob')
  const old = own.auth
  const ended = deferred()
  own.meddle = async ({ path }, request) => {
    if (path !== '/logout') return
    const response = await fetch(request)
    ended.resolve(response.status)
    return response
  }
  const sessions = async () => (await (await old.fetch('/sessions')).json()).sessions.length
  const count = await sessions()
  await own.auth.login({ username: 'bob', password: PASSWORD })
  assert.equal(await ended.promise, 200)
  assert.equal(await sessions(), count)

  const chain = keychain()
  await client({ storage: chain.storage }).login('bob')
  const restarted = client({ storage: chain.storage })
  const again = deferred()
  restarted.meddle = async ({ path }, request) => {
    if (path !== '/logout') return
    const response = await fetch(request)
    again.resolve(response.status)
    return response
  }
  await restarted.auth.login({ username: 'bob', password: PASSWORD })
  assert.equal(await again.promise, 200)
  assert.equal(await sessions(), count + 1, 'nor is one left that was only stored')
})

test('a change of the password brings new tokens, and a refresh meanwhile does not log out', async () => {
  const chain = keychain()
  const own = client({ storage: chain.storage })
  await own.auth.register({ username: 'dora', password: PASSWORD })
  await own.login('dora')
  const [changed, go] = [deferred(), deferred()]
  own.meddle = async ({ path }, request) => {
    if (path !== '/account/password') return
    const response = await fetch(request)
    changed.resolve()
    await go.promise
    return response
  }
  const body = JSON.stringify({ current_password: PASSWORD, new_password: 'correct horse 2' })
  const change = own.auth.fetch('/account/password', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  await changed.promise
  const refreshed = deferred()
  const { meddle } = own
  own.meddle = async (one, request) => {
    if (one.path !== '/refresh') return meddle(one, request)
    const response = await fetch(request)
    refreshed.resolve((await response.clone().json()).code)
    return response
  }
  const refresh = own.auth.refresh()
  assert.equal(await refreshed.promise, 'refresh_superseded')
  go.resolve()
  assert.equal((await change).status, 200)
  assert.equal((await refresh).ok, true)
  assert.deepEqual(own.events, [{ type: 'refreshed' }])
  assert.equal(await user(await own.auth.fetch('/protected')), 'dora')
  assert.equal(await user(await client({ storage: chain.storage }).auth.fetch('/protected')), 'dora')
})

test('a storage that cannot be read leaves the session unknown', async () => {
  const chain = keychain()
  await client({ storage: chain.storage }).login()
  const { auth, paths } = client({ storage: chain.storage })
  chain.fails = true
  chain.reads = 0
  await assert.rejects(auth.fetch('/protected'), { name: 'StorageError' })
  assert.equal(chain.reads, 1)
  const { code, retryable } = await auth.refresh()
  assert.deepEqual([code, retryable, auth.session().state], ['storage_error', true, 'unknown'])
  assert.deepEqual(paths(), [])
  chain.fails = false
  assert.equal(await user(await auth.fetch('/protected')), 'ann')
})

test('a storage that cannot be written costs no session while the program runs', async () => {
  const chain = keychain('outdated')
  const faults = []
  globalThis.reportError = ({ message }) => faults.push(message)
  chain.fails = true
  const { auth } = await client({ storage: chain.storage }).login()
  await server.revokeAccess('ann')
  assert.equal(await user(await auth.fetch('/protected')), 'ann')
  chain.fails = false
  await server.revokeAccess('ann')
  assert.equal(await user(await auth.fetch('/protected')), 'ann')
  delete globalThis.reportError
  assert.deepEqual(faults, ['the keychain is locked', 'the keychain is locked'])
  assert.notEqual(chain.token, 'outdated')
})

test('the last write to the storage stays, however long an earlier one takes', async () => {
  const chain = keychain('first')
  const slow = deferred()
  chain.delay = (token) => token === 'second' && slow.promise
  const pair = (name) => new Response(JSON.stringify({ access_token: `of ${name}`, refresh_token: name }))
  const own = client({ storage: chain.storage })
  own.meddle = ({ path }) => ({ '/refresh': pair('second'), '/account/password': pair('third') })[path] ?? new Response('{"state":"in","user":{"id":"1","username":"ann"}}')
  const refresh = own.auth.refresh()
  while (own.auth.session().state !== 'in') await new Promise(setImmediate)
  const change = own.auth.fetch('/account/password', { method: 'POST' })
  while (own.count('/account/password') === 0) await new Promise(setImmediate)
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
  slow.resolve()
  await Promise.all([refresh, change])
  assert.deepEqual([chain.written, chain.token], [['second', 'third'], 'third'])
})

test('a logout forgets a malformed token', async () => {
  const chain = keychain('no token')
  assert.deepEqual([await client({ storage: chain.storage }).auth.logout(), chain.token], [{ ok: true }, null])
})

test('an Authorization header of the app is left alone', async () => {
  const { auth, sent, paths } = await client().login()
  const response = await auth.fetch('/protected', { headers: { authorization: 'Bearer other' } })
  assert.equal(response.status, 422)
  assert.deepEqual([sent[0].authorization, ...paths()], ['Bearer other', '/protected'])
})

test('a stream is sent once, after a refresh', async () => {
  const { auth, paths } = await client({ storage: keychain().storage }).login()
  const stream = () => new Blob(['{"current_password":"x","new_password":"y"}']).stream()
  const send = (body) => auth.fetch('/account/password', { method: 'POST', headers: { 'content-type': 'application/json' }, body, duplex: 'half' })
  assert.notEqual((await send(stream())).status, 401)
  assert.deepEqual(paths(), ['/account/password'], 'the token is new')
  await server.revokeAccess('ann')
  assert.equal((await send(stream())).status, 401)
  assert.deepEqual(paths(), ['/account/password', '/account/password'])
})

test('dispose and an abort end what waits', async () => {
  const own = await client().login()
  await server.revokeAccess('ann')
  own.meddle = ({ path }) => (path === '/refresh' ? new Promise(() => {}) : undefined)
  await assert.rejects(own.auth.fetch('/protected', { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
  const waiting = own.auth.fetch('/protected')
  setTimeout(own.auth.dispose, 50)
  await assert.rejects(waiting, { name: 'AbortError' })
  await assert.rejects(own.auth.fetch('/protected'), { name: 'AbortError' })
})

test('nothing is needed that React Native lacks', async () => {
  // It has these, and no URL to rely on, no DOMException, no AbortSignal.timeout and no streams.
  const has = { fetch, Headers, Request, Response, FormData, AbortController, setTimeout, clearTimeout, performance: { now: () => performance.now() }, console }
  const bundle = await readFile(new URL('../dist/bearer.js', import.meta.url), 'utf8')
  const { code } = transformSync(bundle, { format: 'iife', globalName: 'bearer' })
  const phone = vm.createContext({ ...has })
  vm.runInContext(code, phone)
  assert.deepEqual(vm.runInContext('[typeof URL, typeof DOMException, typeof AbortSignal, typeof ReadableStream, typeof navigator].join()', phone), Array(5).fill('undefined').join())
  const { createBearerAuth } = phone.bearer
  const chain = keychain()
  const options = { baseUrl: server.url, storage: chain.storage }
  assert.equal((await createBearerAuth(options).login({ username: 'ann', password: PASSWORD })).ok, true)
  const auth = createBearerAuth(options)
  assert.equal(await user(await auth.fetch('/protected')), 'ann')
  await server.revokeAccess('ann')
  assert.equal(await user(await auth.fetch(new Request(`${server.url}/protected`))), 'ann')
  assert.deepEqual([(await auth.logout()).ok, chain.token], [true, null])

  const busy = createBearerAuth({ baseUrl: server.url, fetch: async () => new Response('{}', { status: 503, headers: { 'retry-after': '20' } }) })
  const controller = new AbortController()
  Object.defineProperty(controller.signal, 'reason', { value: undefined })
  setTimeout(() => controller.abort(), 50)
  await assert.rejects(busy.fetch('/x', { signal: controller.signal }), { name: 'AbortError' })
})
