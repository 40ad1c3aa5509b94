// What happens to a user with three tabs, who must not be signed out by any of it. The tests play
// these under the default rule of rotation, and for docs/front-end.md under the strict one too.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { all, burst, endLoad, freeze, holdRefresh, isUser, isWaiting, login, nobodySignedOut, startLoad } from './stage.mjs'

const NAMES = ['1', '2', '3']

/** Returns how often each answer came. */
const tally = (answers) => answers.flat().reduce((sums, one) => ({ ...sums, [one]: (sums[one] ?? 0) + 1 }), {})

const burstAll = async (tabs, count) => tally(await Promise.all(tabs.map((page) => burst(page, count))))

const without = (...names) => (context) =>
  context.addInitScript((names) => {
    if (names.includes('locks')) Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })
    if (names.includes('channel')) delete globalThis.BroadcastChannel
  }, names)

/** Treats so many responses to a refresh otherwise. Returns a function that ends it and says how many were lost. */
function lose(proxy, times, treat) {
  let lost = 0
  proxy.meddle = (seen, answer, response) => {
    answer.headers.connection = 'close' // on a connection in use, the browser would try again itself
    if (seen.path !== '/refresh' || answer.status !== 200 || lost === times) return
    lost += 1
    treat(answer, response)
    return 'done'
  }
  return () => {
    proxy.meddle = undefined
    return lost
  }
}

/** Marks a promise that is awaited later, so that an earlier failure is the one that is reported. */
const later = (promise) => {
  promise.catch(() => {})
  return promise
}

const drop = (_, response) => response.destroy()

/** Sends the head of the response, and so the cookies, and half of the body. */
const breakOff = ({ status, headers, body }, response) =>
  response.writeHead(status, headers).write(body.subarray(0, body.length / 2), () => response.destroy())

async function eachExpiry({ tabs, proxy, expire, life }) {
  for (const [index, count] of [100, 30, 30].entries()) {
    await expire()
    assert.deepEqual(await burstAll(tabs, count), { '200 ann': 3 * count })
    assert.equal(proxy.count('POST', '/refresh'), 1)
    assert.equal((await life('ann')).generation, index + 2)
  }
}

/** Without locks: the tabs find out at one moment that they have to refresh. */
async function eachTab({ tabs, proxy, expire, life }) {
  await expire()
  const asked = new Set()
  let open
  const gate = new Promise((resolve) => (open = resolve))
  proxy.meddle = async ({ path, tab }) => {
    if (path !== '/session') return
    asked.add(tab)
    if (asked.size === NAMES.length) open()
    await gate
  }
  assert.deepEqual(await burstAll(tabs, 50), { '200 ann': 150 })
  for (const name of NAMES) assert.equal(proxy.count('POST', '/refresh', name), 1)
  assert.equal((await life('ann')).generation, 2)
}

async function restored({ tabs, proxy, expire, life }) {
  for (const page of tabs) await page.goto('about:blank')
  await expire()
  await Promise.all(NAMES.map((name, index) => tabs[index].goto(`${proxy.url}/app?tab=${name}`)))
  for (const page of tabs) await isUser(page, 'ann')
  assert.equal(proxy.count('POST', '/refresh'), 1)
  assert.equal((await life('ann')).generation, 2)
}

async function lost({ tabs, proxy, expire, life }) {
  await expire()
  const end = lose(proxy, 2, drop)
  assert.deepEqual(await burstAll(tabs, 10), { '200 ann': 30 })
  assert.equal(end(), 2)
  assert.equal((await life('ann')).generation, 2)
}

async function lostForLong({ tabs, proxy, expire, advance, life }) {
  await expire()
  const end = lose(proxy, Infinity, drop)
  assert.equal((await tabs[0].evaluate(() => auth.refresh())).code, 'network_error')
  assert.ok(end() >= 3)
  await advance(120) // past the window of rotation
  assert.deepEqual(await burstAll(tabs, 10), { '200 ann': 30 })
  assert.equal((await life('ann')).generation, 3)
}

async function brokenOff({ tabs, proxy, expire, life }) {
  await expire()
  const end = lose(proxy, 1, breakOff)
  assert.deepEqual(await burstAll(tabs, 10), { '200 ann': 30 })
  assert.equal(end(), 1)
  assert.equal((await life('ann')).generation, 2)
}

async function closed({ tabs: [one, two, three], proxy, expire, life }) {
  await expire()
  const held = holdRefresh(proxy)
  await one.evaluate(() => void auth.fetch('/protected').catch(() => {}))
  await held.arrived
  const others = later(burstAll([two, three], 10))
  await one.close() // with the response on its way, after the commit
  assert.deepEqual(await others, { '200 ann': 20 })
  held.release()
  assert.equal((await life('ann')).generation, 2)
}

async function offline({ tabs, context, proxy, expire, life }) {
  await expire()
  await context.setOffline(true)
  assert.deepEqual(await burstAll(tabs, 3), { TypeError: 9 })
  await nobodySignedOut(tabs)
  await context.setOffline(false)
  assert.deepEqual(await burstAll(tabs, 10), { '200 ann': 30 })
  assert.equal(proxy.count('POST', '/refresh'), 1)
  assert.equal((await life('ann')).generation, 2)
}

async function restarted({ tabs, server, restart, expire, life }) {
  for (const page of tabs) await startLoad(page)
  await restart({})
  await expire()
  await server.pause()
  await restart({})
  await tabs[0].evaluate(() => auth.fetch('/protected').then(({ status }) => status)).then((status) => assert.equal(status, 200))
  for (const page of tabs) {
    // The proxy answers 502 for a server that is not there.
    const { 'ann: 200 ann': good, 'ann: 502': away, ...others } = await endLoad(page)
    assert.deepEqual(others, {})
    assert.ok(good > 0)
  }
  assert.deepEqual(await burstAll(tabs, 10), { '200 ann': 30 })
  assert.equal((await life('ann')).generation, 2)
}

async function outage({ tabs, proxy, data, expire, life }) {
  await expire()
  await data.cut()
  const waiting = later(burstAll(tabs, 10))
  while (!proxy.seen.some(({ path, status }) => path === '/refresh' && status === 503)) await tabs[0].evaluate(() => new Promise(requestAnimationFrame))
  assert.ok(proxy.seen.every(({ path, status }) => path !== '/protected' || status === 401))
  await data.mend()
  assert.deepEqual(await waiting, { '200 ann': 30 })
  assert.equal((await life('ann')).generation, 2)
}

async function skewed({ tabs, proxy, expire, life }) {
  const MONTH = 30 * 86_400_000
  const shown = async (page) => page.evaluate(() => auth.session().expiresAt - Date.now())
  const isRight = async () => {
    for (const page of tabs) assert.ok(Math.abs((await shown(page)) - MONTH) < 60_000, `expiresAt is off by ${(await shown(page)) - MONTH} ms`)
  }
  await isRight()
  await Promise.all(tabs.map((page) => page.evaluate(() => auth.check())))
  await isRight()
  await expire()
  assert.deepEqual(await burstAll(tabs, 10), { '200 ann': 30 })
  assert.equal(proxy.count('POST', '/refresh'), 1)
  assert.equal((await life('ann')).generation, 2)
}

async function thawed({ tabs: [one, two, three], context, proxy, expire, life }) {
  await expire()
  const held = holdRefresh(proxy)
  const first = later(one.evaluate(() => auth.fetch('/protected').then(({ status }) => status)))
  await held.arrived
  const thaw = await freeze(context, one, two)
  const from = performance.now()
  assert.deepEqual(await burstAll([two, three], 10), { '200 ann': 20 })
  // No timer of the tab that holds the lock ends its request.
  assert.ok(performance.now() - from < 12_000, 'a frozen tab blocked the others')
  proxy.meddle = undefined
  held.release()
  await thaw()
  assert.equal(await first, 200)
  assert.equal((await life('ann')).generation, 2)
}

async function frozenWaiting({ tabs: [one, two, three], context, proxy, expire, life }) {
  await expire()
  const held = holdRefresh(proxy, '2')
  const second = later(burst(two, 5))
  await held.arrived
  // One request: Chromium never delivers a response whose tab it freezes meanwhile.
  const first = later(burst(one, 1))
  await isWaiting(two)
  const thaw = await freeze(context, one, two)
  proxy.meddle = undefined
  held.release() // the frozen tab is next
  assert.deepEqual(await second, all(5, '200 ann'))
  const from = performance.now()
  await three.evaluate(() => auth.refresh())
  assert.deepEqual(await burst(three, 5), all(5, '200 ann'))
  assert.ok(performance.now() - from < 12_000, 'a frozen tab blocked another')
  await thaw()
  assert.deepEqual(await first, ['200 ann'])
  assert.equal((await life('ann')).generation, 2)
}

async function kept({ tabs: [one, two, three], proxy, expire, life }) {
  await one.goto(`${proxy.url}/elsewhere`)
  await expire()
  await one.goBack({ waitUntil: 'commit' })
  const others = later(burstAll([two, three], 10))
  await isUser(one, 'ann')
  assert.equal(await one.evaluate(() => globalThis.wasKept), true, 'the browser did not keep the page')
  assert.deepEqual(await burst(one, 10), all(10, '200 ann'))
  assert.deepEqual(await others, { '200 ann': 20 })
  assert.equal(proxy.count('POST', '/refresh'), 1)
  assert.equal((await life('ann')).generation, 2)
}

/** The client that docs/front-end.md shows for pages without a package. */
async function recipe({ tabs, proxy, expire, life }) {
  const page = await readFile(new URL('../../docs/front-end.md', import.meta.url), 'utf8')
  const code = page.split('```js\n').map((part) => part.split('```')[0]).find((part) => part.includes('export async function api('))
  proxy.pages['/recipe.js'] = ['text/javascript', code]
  for (const page of tabs) await page.evaluate(() => auth.dispose())
  await expire()
  const send = async () => {
    const { api } = await import('/recipe.js')
    return Promise.all(Array.from({ length: 20 }, () => api('/protected').then(async (one) => [one.status, (await one.json()).logged_in_as].join(' '))))
  }
  assert.deepEqual(tally(await Promise.all(tabs.map((page) => page.evaluate(send)))), { '200 ann': 60 })
  assert.equal((await life('ann')).generation, 2)
}

/**
 * `play` gets a stage with three `tabs`, in which Ann has logged in. `prepare` gets the context before,
 * and `skew` is how far the server's clock is ahead of the browser's, in seconds. `isPlain` is for tabs
 * that can be hidden. What `isOfBrowser` is played on one database.
 */
export const scenarios = [
  { name: 'three tabs send a hundred requests each at the expiry, with one refresh, and again at the next ones', play: eachExpiry },
  { name: 'three tabs without Web Locks refresh at one moment, once each', play: eachTab, prepare: without('locks') },
  { name: 'three tabs without Web Locks and BroadcastChannel refresh at one moment, once each', play: eachTab, prepare: without('locks', 'channel'), isOfBrowser: true },
  { name: 'a browser restores three tabs after the expiry, with one refresh', play: restored },
  { name: 'two responses to a refresh are lost after the commit', play: lost },
  { name: 'the responses to a refresh are lost, which is noticed two minutes later', play: lostForLong },
  { name: 'the response to a refresh breaks off after its head', play: brokenOff },
  { name: 'a tab is closed while it refreshes', play: closed },
  { name: 'the network goes away at the expiry, and comes back', play: offline, isOfBrowser: true },
  { name: 'the server restarts twice while three tabs load', play: restarted },
  { name: 'the database goes away at the expiry, and comes back', play: outage },
  { name: 'the clock of the server is 10 minutes ahead of that of the browser', play: skewed, skew: 600, isOfBrowser: true },
  { name: 'the clock of the server is 10 minutes behind that of the browser', play: skewed, skew: -600, isOfBrowser: true },
  { name: 'a page comes back from the cache of the browser after the expiry', play: kept, isOfBrowser: true },
  { name: 'a tab is frozen while it refreshes, and blocks nobody', play: thawed, isPlain: true, isOfBrowser: true },
  { name: 'a tab is frozen while it waits for another one that refreshes, and blocks nobody', play: frozenWaiting, isPlain: true, isOfBrowser: true },
  { name: 'three tabs with the short client of docs/front-end.md', play: recipe, isOfRecipe: true, isOfBrowser: true },
]

/** Plays a scenario on a stage, up to the moment at which it is judged. */
export async function playOn(stage, { play, prepare, skew = 0 }) {
  await stage.advance(skew)
  await prepare?.(stage.context)
  const tabs = await stage.tabs()
  assert.equal((await login(tabs[0], 'ann')).ok, true)
  for (const page of tabs) {
    await page.evaluate(() => auth.check())
    await isUser(page, 'ann')
  }
  await play({ ...stage, tabs })
  return tabs.filter((page) => !page.isClosed())
}
