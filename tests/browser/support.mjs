// What the browser tests share: a browser, and servers of their own as `tokenpair serve` starts them.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { chromium } from 'playwright-core'

const program = process.env.TOKENPAIR
const shots = process.env.TOKENPAIR_SCREENSHOTS

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Starts Chromium, with further options of Playwright, and further arguments. */
export function launch({ args = [], ...options } = {}) {
  return chromium.launch({
    ...options,
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [...ARGUMENTS, ...args],
  })
}

/**
 * Starts Chromium without what Playwright overrides: a tab in the background is hidden, as for people,
 * and only a hidden one can be frozen. There is one context.
 */
export async function launchPlain() {
  const folder = await mkdtemp(join(tmpdir(), 'tokenpair-chromium-'))
  const own = ['--headless', '--remote-debugging-port=0', `--user-data-dir=${folder}`]
  const child = spawn(process.env.CHROMIUM ?? '/usr/bin/chromium', [...ARGUMENTS, ...own, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const address = await new Promise((resolve, reject) => {
    let log = ''
    child.stderr.on('data', (data) => {
      log += data
      const found = /DevTools listening on (ws:\S+)/.exec(log)
      if (found) resolve(found[1])
    })
    child.on('close', (code) => reject(new Error(`Chromium ended with ${code}: ${log}`)))
  })
  const browser = await chromium.connectOverCDP(address, { noDefaults: true })
  const close = async () => {
    const closed = once(child, 'close')
    await browser.close()
    child.kill()
    await closed
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  return { context: browser.contexts()[0], close }
}

/** Runs the program to its end with these settings and this input. Returns its standard output. */
export async function run(folder, args, settings = {}, input = '') {
  const child = spawn(program, args, { cwd: folder, env: environment(settings), stdio: ['pipe', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => (out += data))
  child.stderr.on('data', (data) => (err += data))
  child.stdin.on('error', () => {}) // it may end before it has read anything
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`tokenpair ${args.join(' ')} ended with ${code}: ${err}`)
  return out
}

function environment(settings) {
  return { PATH: process.env.PATH, SERVER_BIND: '127.0.0.1:0', SERVER_DRAIN: '0', PASSWORD_BCRYPT_COST: '10', ...settings }
}

/**
 * Starts a server in a folder of its own with these settings, and waits for its address.
 *
 * Stop it with `await server.stop()`. `server.restart(settings)` keeps the data and the address, also after `server.pause()`.
 */
export async function serve(settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'tokenpair-browser-'))
  const server = { folder }
  const start = async (settings) => {
    const child = spawn(program, ['serve'], { cwd: folder, env: environment(settings), stdio: ['ignore', 'pipe', 'pipe'] })
    let log = ''
    child.stderr.on('data', (data) => (log += data))
    server.log = () => log
    server.child = child
    server.url = await new Promise((resolve, reject) => {
      let out = ''
      child.stdout.on('data', (data) => {
        out += data
        const address = /https?:\/\/[^\s/]+/.exec(out)
        if (address) resolve(address[0])
      })
      child.on('close', (code) => reject(new Error(`the server ended with ${code}: ${log}`)))
    })
  }
  const end = async () => {
    if (server.child.exitCode !== null) return
    const closed = once(server.child, 'close')
    server.child.kill('SIGTERM')
    await closed
  }
  server.stop = async () => {
    await end()
    await rm(folder, { recursive: true, force: true })
  }
  server.pause = end
  server.restart = async (settings = {}) => {
    await end()
    await start({ SERVER_BIND: new URL(server.url).host, ...settings })
  }
  server.run = (args, input) => run(folder, args, settings, input)
  await start(settings)
  return server
}

/** The sizes and colours that each page is looked at in. */
export const looks = [
  { name: 'phone-light', viewport: { width: 390, height: 844 }, colorScheme: 'light', deviceScaleFactor: 2 },
  { name: 'phone-dark', viewport: { width: 390, height: 844 }, colorScheme: 'dark', deviceScaleFactor: 2 },
  { name: 'desktop-light', viewport: { width: 1280, height: 800 }, colorScheme: 'light' },
  { name: 'desktop-dark', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
]

/**
 * Collects what a page must not do: send requests to other hosts, fail in a script, or violate its policy.
 *
 * A refused request is no fault of the page, so the browser's note of its status does not count.
 */
export function watch(page, server) {
  const faults = []
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url())
    if (protocol.startsWith('http') && host !== new URL(server.url).host) faults.push(`request to ${request.url()}`)
  })
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    const isStatus = message.text().startsWith('Failed to load resource: the server responded with a status of 4')
    if (['error', 'warning'].includes(message.type()) && !isStatus) faults.push(`${message.type()}: ${message.text()}`)
  })
  return faults
}

/** Writes a screenshot if TOKENPAIR_SCREENSHOTS names a folder. */
export async function screenshot(page, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true })
}

/** Fails if axe-core finds a fault of accessibility (WCAG 2.2 A and AA) in the page, except in these elements. */
export async function assertAccessible(page, { exclude = [] } = {}) {
  // The page's policy allows no foreign script, but what the debugger evaluates is no part of the page.
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(
    ([tags, exclude]) => globalThis.axe.run({ include: [['html']], exclude: exclude.map((one) => [one]) }, { runOnly: tags }),
    [['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], exclude],
  )
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map((node) => node.html).join('\n  ')}`)
  if (found.length > 0) throw new Error(found.join('\n'))
}
