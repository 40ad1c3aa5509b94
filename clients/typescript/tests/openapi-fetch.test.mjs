// openapi-fetch with the client's middleware, against the server as built.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import createClient from 'openapi-fetch'
import { createBearerAuth } from '../dist/bearer.js'
import { createAuth } from '../dist/index.js'
import { authMiddleware } from '../dist/openapi-fetch.js'
import { PASSWORD, serve } from './support.mjs'

let server
before(async () => (server = await serve()))
after(() => server?.stop())

const BASE = 'https://api.example.org'
const json = (status, data, headers = {}) => new Response(JSON.stringify(data), { status, headers })
const expired = () => json(401, { code: 'token_expired' })

/** A client with these middlewares around ours, whose app's routes answer in turn, the last one for ever. */
function client(answers, { before = [], after = [], refresh = () => json(200, { expires_in: 3600 }), ...options } = {}) {
  const sent = []
  const paths = []
  const send = async (input, init) => {
    const request = new Request(input, init)
    const { pathname } = new URL(request.url)
    paths.push(pathname)
    if (pathname === '/refresh') return refresh()
    if (pathname === '/session') return json(200, { state: 'in', user: { id: '1', username: 'ann' }, csrf: { access: 'a', refresh: 'a' } })
    sent.push({ method: request.method, csrf: request.headers.get('x-csrf-token'), own: request.headers.get('x-own'), body: await request.text(), extra: input.next })
    return (answers.length > 1 ? answers.shift() : answers[0])()
  }
  const auth = createAuth({ baseUrl: BASE, csrf: 'body', fetch: send })
  const api = createClient({ baseUrl: BASE, fetch: send, ...options })
  api.use(...before, authMiddleware(auth), ...after)
  return { api, auth, sent, paths, count: (path) => paths.filter((one) => one === path).length }
}

test("a program asks the server's own API, and requests share one refresh", async () => {
  const events = []
  const auth = createBearerAuth({ baseUrl: server.url, onEvent: ({ type }) => events.push(type) })
  const api = createClient({ baseUrl: server.url })
  api.use(authMiddleware(auth))
  const visitor = await api.GET('/protected')
  assert.deepEqual([visitor.response.status, visitor.error.code], [401, 'missing_token'])
  await auth.login({ username: 'ann', password: PASSWORD })
  await server.revokeAccess('ann')
  const all = await Promise.all(Array.from({ length: 20 }, () => api.GET('/protected')))
  assert.ok(all.every(({ data }) => data?.logged_in_as === 'ann'))
  assert.deepEqual(events, ['signed_in', 'refreshed'])
  const { error } = await api.POST('/account/password', { body: { current_password: 'wrong', new_password: 'x' } })
  assert.equal(error.code, 'fresh_token_required')
})

test('an unsafe request is repeated with its body, its headers and the CSRF token', async () => {
  const { api, sent, count } = client([expired, () => json(200, { ok: true })])
  const { data } = await api.POST('/notes', { body: { a: 1 }, headers: { 'x-own': 'yes' }, next: { revalidate: 1 } })
  assert.deepEqual(data, { ok: true })
  const each = { method: 'POST', csrf: 'a', own: 'yes', body: '{"a":1}', extra: { revalidate: 1 } }
  assert.deepEqual(sent, [each, each])
  assert.equal(count('/refresh'), 1)
})

test('other middleware sees one request and one response, whatever its place', async () => {
  const seen = []
  const spy = (name) => ({
    onRequest: ({ request }) => {
      seen.push(`${name} request`)
      request.headers.set('x-own', name)
    },
    onResponse: ({ response }) => void seen.push(`${name} ${response.status}`),
  })
  const { api, sent } = client([expired, () => json(200, {})], { before: [spy('first')], after: [spy('last')] })
  await api.GET('/notes')
  // The last one gets the response as it came: those around it get what is made of it.
  assert.deepEqual(seen, ['first request', 'last request', 'last 401', 'first 200'])
  assert.deepEqual(sent.map(({ own }) => own), ['last', 'last'])
})

test('a token that no refresh cures is refused once, and safe requests get no CSRF token', async () => {
  const { api, sent, count } = client([expired])
  const { error, response } = await api.GET('/notes')
  assert.deepEqual([response.status, error.code], [401, 'token_expired'])
  assert.deepEqual([sent.length, count('/refresh'), sent[0].csrf], [2, 1, null])
})

test('a failure of the network or the server signs nobody out', async () => {
  const away = client([() => Promise.reject(new TypeError('no network'))])
  await assert.rejects(away.api.GET('/notes'), { message: 'no network' })
  const refresh = client([expired], { refresh: () => Promise.reject(new TypeError('no refresh')) })
  await assert.rejects(refresh.api.GET('/notes'), { message: 'no refresh' })
  const broken = client([expired], { refresh: () => json(500, { code: 'internal_error' }) })
  assert.equal((await broken.api.GET('/notes')).error.code, 'internal_error')
  for (const { auth } of [away, refresh, broken]) assert.equal(auth.session().state, 'in')
})

test('Retry-After is waited for, and an abort ends the wait', async () => {
  const busy = () => json(503, {}, { 'retry-after': '1' })
  const { api, sent } = client([busy, () => json(200, {})])
  assert.equal((await api.GET('/notes')).response.status, 200)
  assert.equal(sent.length, 2)
  const slow = client([() => json(503, {}, { 'retry-after': '20' })])
  await assert.rejects(slow.api.GET('/notes', { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
})

test('another origin gets nothing', async () => {
  const { api, sent, paths } = client([() => json(200, {})], { baseUrl: 'https://other.example' })
  await api.POST('/notes', { body: {} })
  assert.deepEqual([sent[0].csrf, paths], [null, ['/notes']])
})
