// What the tests of the browser client share: a server on either database whose clock they set, the
// proxy in front of it, and tabs that load a page with the client.

import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { promisify } from 'node:util'
import { launchPlain, serve } from './support.mjs'

export const PASSWORD = 'correct horse 1'
export const DATABASES = ['SQLite', 'PostgreSQL']
const CLOCK = execFileSync('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null | head -n 1'], { encoding: 'utf8' }).trim()
const client = await readFile(new URL('../../clients/typescript/dist/index.js', import.meta.url))

const app = (options) => `<!doctype html><title>app</title><link rel="icon" href="data:,"><script type="module">
import { createAuth } from '/client.js'
globalThis.events = []
globalThis.shown = []
globalThis.auth = createAuth({ ...${options}, onEvent: (event) => events.push(event) })
globalThis.stop = auth.subscribe((session) => shown.push(session))
addEventListener('pageshow', ({ persisted }) => (globalThis.wasKept = persisted))
</script>`

/**
 * Starts what stands in front of the server on the same origin: a page with the client, an app's own
 * route, and a proxy. `meddle` may answer a request itself, or treat the server's response. `pages`
 * adds files: a type and a text for each path.
 */
async function front(certificate) {
  const own = { seen: [], meddle: undefined, upstream: undefined, pages: {} }
  const treat = async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://front')
    const page = (type, text) => response.setHeader('Content-Type', type).end(text)
    if (pathname === '/app') return page('text/html', app(searchParams.get('options') ?? '{}'))
    if (pathname === '/client.js') return page('text/javascript', client)
    if (pathname === '/elsewhere') return page('text/html', '<title>elsewhere</title>')
    if (own.pages[pathname]) return page(...own.pages[pathname])
    const chunks = await request.toArray().catch(() => undefined)
    if (!chunks) return
    const body = Buffer.concat(chunks)
    const tab = new URL(request.headers.referer ?? 'http://none').searchParams.get('tab')
    const seen = { tab, method: request.method, path: pathname, headers: request.headers, body }
    own.seen.push(seen)
    const isOwn = pathname === '/api/echo'
    const asked = isOwn ? { ...seen, method: 'GET', path: '/protected', body: '' } : seen
    const answer = await forward(own.upstream, asked).catch(() => ({ status: 502, headers: {}, body: Buffer.from('<h1>Bad gateway</h1>') }))
    seen.status = answer.status
    if (isOwn && answer.status === 200) {
      answer.body = Buffer.from(JSON.stringify({ type: request.headers['content-type'], text: body.toString('latin1'), csrf: request.headers['x-csrf-token'] }))
      delete answer.headers['content-length']
    }
    if ((await own.meddle?.(seen, answer, response)) === 'done') return
    response.writeHead(answer.status, answer.headers).end(answer.body)
  }
  const listener = certificate ? https.createServer(certificate, treat) : http.createServer(treat)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  own.port = listener.address().port
  own.url = `${certificate ? 'https' : 'http'}://127.0.0.1:${own.port}`
  own.count = (method, path, tab) => own.seen.filter((one) => one.method === method && one.path === path && (!tab || one.tab === tab)).length
  own.stop = () => {
    listener.closeAllConnections()
    listener.close()
  }
  return own
}

// A handshake takes a debug build long.
const agent = new https.Agent({ keepAlive: true, maxSockets: 4 })

async function forward(upstream, { method, path, headers, body }) {
  const { protocol, hostname, port } = new URL(upstream)
  const options = { hostname, port, method, path, headers: { ...headers, 'content-length': body.length }, rejectUnauthorized: false }
  const request = protocol === 'https:' ? https.request({ ...options, agent }) : http.request({ ...options, agent: false })
  request.end(body)
  const [response] = await once(request, 'response')
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(await response.toArray()) }
}

/**
 * Makes a database of its own in this folder or in PostgreSQL. `cut()` takes it away from the server,
 * and `mend()` gives it back.
 */
async function database(kind, folder) {
  if (kind === 'SQLite') {
    const file = join(folder, 'test.db')
    let holder
    const cut = async () => {
      const lock = `import sqlite3, sys; sqlite3.connect(${JSON.stringify(file)}).execute('BEGIN EXCLUSIVE'); print(1, flush=True); sys.stdin.read()`
      holder = spawn('python3', ['-c', lock], { stdio: ['pipe', 'pipe', 'inherit'] })
      await once(holder.stdout, 'data')
    }
    const mend = async () => {
      holder.stdin.end()
      await once(holder, 'close')
    }
    return { url: `sqlite://${file}`, cut, mend, remove() {} }
  }
  const server = process.env.TOKENPAIR_TEST_POSTGRES
  if (!server) throw new Error('TOKENPAIR_TEST_POSTGRES must be the URL of a PostgreSQL. scripts/browser-test starts one.')
  const name = `tokenpair_browser_${process.pid}_${(databases += 1)}`
  const psql = (statement) => promisify(execFile)('psql', [server, '--quiet', '--command', statement])
  await psql(`CREATE DATABASE ${name}`)
  const way = await cable(new URL(server))
  const url = new URL(server)
  Object.assign(url, { hostname: '127.0.0.1', port: way.port, pathname: name })
  const remove = async () => {
    way.stop()
    await psql(`DROP DATABASE ${name} WITH (FORCE)`)
  }
  return { url: url.href, cut: way.cut, mend: way.mend, remove }
}
let databases = 0

/** A TCP proxy that can be cut: it then ends all connections, and refuses new ones. */
async function cable({ hostname, port }) {
  const ends = new Set()
  let isCut = false
  const listener = net.createServer((near) => {
    if (isCut) return near.destroy()
    const far = net.connect(port || 5432, hostname)
    for (const [one, other] of [[near, far], [far, near]]) {
      ends.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        ends.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const cut = () => {
    isCut = true
    for (const one of ends) one.destroy()
  }
  const stop = () => {
    cut()
    listener.close()
  }
  return { port: listener.address().port, cut, mend: () => void (isCut = false), stop }
}

/** Returns settings that give a server a clock, and what moves the clock by seconds. */
async function clock(folder) {
  assert.ok(CLOCK, 'libfaketime is missing. scripts/browser-test installs it.')
  const file = join(folder, 'clock')
  let offset = 0
  const advance = (seconds) => writeFile(file, `${(offset += seconds) < 0 ? '' : '+'}${offset}`)
  await advance(0)
  const settings = { LD_PRELOAD: CLOCK, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  return { settings, advance }
}

let browser

/** Starts a browser for the tests of this file. */
export function withBrowser(start) {
  before(async () => (browser = await start()))
  after(() => browser?.close())
}

/**
 * Runs a test with a server, its front and a browser that has no cookies. Ann and Bob have accounts.
 *
 * `advance(seconds)` moves the server's clock, and `expire()` moves it past the end of the access
 * tokens. `restart(settings)` adds to the settings. `isPlain` is for tabs that can be hidden.
 */
export async function stage(settings, use, { database: kind = 'SQLite', certificate, isPlain = false, context: ofContext = {} } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'tokenpair-stage-'))
  const proxy = await front(certificate)
  const data = await database(kind, folder)
  const { settings: ofClock, advance } = await clock(folder)
  const all = { ...ofClock, DATABASE_URL: data.url, ...(typeof settings === 'function' ? settings(proxy) : settings) }
  const server = await serve(all)
  proxy.upstream = server.url
  const own = isPlain ? await launchPlain() : undefined
  const context = own?.context ?? (await browser.newContext(ofContext))
  context.setDefaultTimeout(15_000)
  try {
    for (const username of ['ann', 'bob']) {
      const body = JSON.stringify({ username, password: PASSWORD })
      const headers = { 'content-type': 'application/json' }
      assert.equal((await forward(server.url, { method: 'POST', path: '/register', headers, body })).status, 201)
    }
    const tab = async (name, options = {}) => {
      const page = await context.newPage()
      await page.goto(`${proxy.url}/app?tab=${name}&options=${encodeURIComponent(JSON.stringify(options))}`)
      await known(page)
      return page
    }
    const tabs = async (options) => [await tab('1', options), await tab('2', options), await tab('3', options)]
    const expire = async () => {
      await advance(3700)
      proxy.seen.length = 0
    }
    const restart = (more) => server.restart({ ...all, ...more })
    await use({ proxy, server, data, context, tab, tabs, advance, expire, restart, life: (name) => life(server, name) })
  } finally {
    proxy.meddle = undefined
    await (own ?? context).close()
    proxy.stop()
    await server.stop()
    await data.remove()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Returns what the database has of the user's newest session. */
async function life(server, name) {
  const [{ id }] = JSON.parse(await server.run(['session', 'list', name, '--json']))
  return JSON.parse(await server.run(['session', 'explain', id, '--json']))
}

/** Not by frames, which a hidden tab does not draw. */
const waitFor = (page, condition, argument) => page.waitForFunction(condition, argument, { polling: 50 })

export const known = (page) => waitFor(page, () => globalThis.auth && auth.session().state !== 'unknown')
export const session = (page) => page.evaluate(() => auth.session())
export const login = (page, username, password = PASSWORD) => page.evaluate((one) => auth.login(one), { username, password })
export const isOut = (page) => waitFor(page, () => auth.session().state === 'out')
export const isUser = (page, name) => waitFor(page, (name) => auth.session().user?.username === name, name)
export const events = (page) => page.evaluate(() => events.map(({ type }) => type))

/** Fails if one of the tabs has signed anybody out. */
export async function nobodySignedOut(tabs, name = 'ann') {
  for (const page of tabs) {
    assert.deepEqual((await events(page)).filter((type) => type === 'signed_out'), [])
    const { state, user } = await session(page)
    assert.deepEqual([state, user?.username], ['in', name])
  }
}

/** Sends requests at once, and returns for each its status and user, or the name of its error. */
export const burst = (page, count, path = '/protected') =>
  page.evaluate(
    async ([count, path]) => {
      const one = async () => {
        try {
          const response = await auth.fetch(path)
          const { logged_in_as: user, code } = await response.json().catch(() => ({}))
          return [response.status, user ?? code].join(' ')
        } catch ({ name }) {
          return name
        }
      }
      return Promise.all(Array.from({ length: count }, one))
    },
    [count, path],
  )

/**
 * Sends requests, ten at a time, until `endLoad`, which returns how often each user got each answer:
 * `{'ann: 200 ann': 40}`.
 */
export const startLoad = (page) =>
  page.evaluate(() => {
    globalThis.isLoading = true
    const tally = {}
    const one = async () => {
      const user = auth.session().user?.username ?? 'nobody'
      const answer = await auth
        .fetch('/protected')
        .then(async (response) => [response.status, Object(await response.json().catch(() => ({}))).logged_in_as].join(' ').trim())
        .catch(({ name }) => name)
      const key = `${user}: ${answer}`
      tally[key] = (tally[key] ?? 0) + 1
    }
    const run = async () => {
      while (isLoading) await Promise.all(Array.from({ length: 10 }, one))
      return tally
    }
    globalThis.loaded = run()
  })

export const endLoad = (page) =>
  page.evaluate(() => {
    globalThis.isLoading = false
    return loaded
  })

export const all = (count, value) => Array.from({ length: count }, () => value)

/** The other way in which an access token goes: a remembered login's cookie has a life of its own. */
export const dropAccess = (context) => context.clearCookies({ name: 'access_token_cookie' })

/** Holds the answer to a tab's refresh. `arrived` resolves once it is held, and `release` lets it go. */
export function holdRefresh(proxy, name = '1') {
  const held = {}
  held.arrived = new Promise((reached) => {
    proxy.meddle = ({ path, tab }) => {
      if (path !== '/refresh' || tab !== name) return
      reached()
      return new Promise((resolve) => (held.release = resolve))
    }
  })
  return held
}

/** Waits until a tab waits for the lock that another one holds. */
export const isWaiting = (page) => waitFor(page, async () => (await navigator.locks.query()).pending.length > 0)

/** Freezes a tab, on a stage that `isPlain`, while another one is in front. Returns what thaws it. */
export async function freeze(context, page, other) {
  const debug = await context.newCDPSession(page)
  await page.evaluate(() => document.addEventListener('freeze', () => (globalThis.wasFrozen = true)))
  await other.bringToFront()
  await debug.send('Page.setWebLifecycleState', { state: 'frozen' })
  return async () => {
    await debug.send('Page.setWebLifecycleState', { state: 'active' })
    await page.bringToFront()
    assert.equal(await page.evaluate(() => globalThis.wasFrozen), true)
  }
}

/** Logs Ann in, in one of the stage's tabs, and returns them all. */
export async function asAnn({ tabs }) {
  const pages = await tabs()
  const result = await login(pages[0], 'ann')
  assert.equal(result.ok, true, JSON.stringify(result))
  for (const page of pages) await isUser(page, 'ann')
  return pages
}

/** Logs Ann out in one tab while the others load, and checks what they get. Returns the tabs and the tallies of the others. */
export async function logOutWhileOthersLoad(stage) {
  const pages = await asAnn(stage)
  const [one, ...others] = pages
  for (const page of others) await startLoad(page)
  await burst(one, 20)
  assert.deepEqual(await one.evaluate(() => auth.logout()), { ok: true })
  for (const page of pages) await isOut(page)
  const tallies = await Promise.all(others.map(endLoad))
  for (const tally of tallies) {
    assert.deepEqual(Object.keys(tally).filter((key) => !['ann: 200 ann', 'ann: 401', 'nobody: 401'].includes(key)), [])
  }
  assert.match((await stage.life('ann')).state, /logout/)
  return { pages, tallies }
}
