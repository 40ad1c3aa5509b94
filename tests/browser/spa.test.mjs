// The apps in examples/spa, started as their README says, and used by people in tabs.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { assertAccessible, launch, looks, screenshot, serve } from './support.mjs'

const PASSWORD = 'correct horse 1'
const folder = fileURLToPath(new URL('../../examples/spa', import.meta.url))

let browser
before(async () => (browser = await launch()))
after(() => browser?.close())

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address()
  listener.close()
  await once(listener, 'close')
  return port
}

/** Starts an app by its script in package.json. Returns its URL and its end. */
async function start(name, server) {
  const port = await freePort()
  const extra = name === 'react' ? ['--', '--port', `${port}`, '--strictPort', '--host', '127.0.0.1'] : []
  const env = { ...process.env, TOKENPAIR_URL: server.url, PORT: `${port}` }
  // In a group of its own, because npm starts a shell that starts the program.
  const child = spawn('npm', ['run', name, ...extra], { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let told = ''
  await new Promise((resolve, reject) => {
    const listen = (data) => (told += data).includes(`:${port}/`) && resolve()
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.on('close', (code) => reject(new Error(`npm run ${name} ended with ${code}: ${told}`)))
  })
  const stop = async () => {
    const closed = once(child, 'close')
    process.kill(-child.pid, 'SIGTERM')
    await closed
  }
  return { url: `http://127.0.0.1:${port}/`, stop }
}

/** Runs a test with a server, an app in front of it and a browser without cookies. Bob has an account. */
async function stage(name, use) {
  const server = await serve()
  const app = await start(name, server).catch(async (error) => {
    await server.stop()
    throw error
  })
  const context = await browser.newContext()
  const faults = []
  const tab = async () => {
    const page = await context.newPage()
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      const isRefusal = message.text().includes('the server responded with a status of 401')
      if (['error', 'warning'].includes(message.type()) && !isRefusal) faults.push(message.text())
    })
    await page.goto(app.url)
    return page
  }
  try {
    await server.run(['user', 'add', 'bob', '--password-stdin'], PASSWORD)
    await use({ app, server, context, tab })
    assert.deepEqual(faults, [])
  } finally {
    await context.close()
    await app.stop()
    await server.stop()
  }
}

async function fill(page, name, password = PASSWORD) {
  await page.getByLabel('Username').fill(name)
  await page.getByLabel('Password').fill(password)
}

const submit = (page, button) => page.getByRole('button', { name: button }).click()
const says = (page, name) => page.getByRole('heading', { name: `Hello ${name}` }).waitFor()
const asks = (page) => page.getByRole('heading', { name: 'Log in' }).waitFor()

for (const name of ['vanilla', 'react', 'ssr']) {
  test(`${name}: people register, log in, see their sessions, and log out in every tab`, () =>
    stage(name, async ({ server, context, tab }) => {
      const [one, two] = [await tab(), await tab()]
      const sent = []
      one.on('request', (request) => request.method() === 'POST' && sent.push(new URL(request.url()).pathname))
      await fill(one, 'ann', 'wrong wrong')
      await submit(one, 'Log in')
      await one.getByRole('alert').filter({ hasText: 'Bad username or password' }).waitFor()
      assert.deepEqual(sent, ['/api/login'])
      await fill(one, 'ann')
      await submit(one, 'Create account')
      for (const page of [one, two]) await says(page, 'ann')
      assert.equal(await one.getByRole('listitem').count(), 1)

      const body = JSON.stringify({ username: 'ann', password: PASSWORD, tokens: 'body' })
      const elsewhere = await fetch(`${server.url}/login`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
      const { access_token: token } = await elsewhere.json()
      await one.reload()
      await one.getByRole('button', { name: 'End' }).click()
      await one.getByRole('button', { name: 'End' }).waitFor({ state: 'detached' })
      const ended = await fetch(`${server.url}/protected`, { headers: { Authorization: `Bearer ${token}` } })
      assert.equal((await ended.json()).code, 'token_revoked')

      await context.clearCookies({ name: 'access_token_cookie' })
      await one.reload()
      await says(one, 'ann')

      await submit(two, 'Log out')
      for (const page of [one, two]) await asks(page)
      await fill(two, 'bob')
      await two.getByLabel('Stay logged in').check()
      await submit(two, 'Log in')
      for (const page of [one, two]) await says(page, 'bob')
      const remembered = (await context.cookies()).find((cookie) => cookie.name === 'refresh_token_cookie')
      assert.ok(remembered.expires > Date.now() / 1000)
    }))

  test(`${name}: it looks right and is accessible`, () =>
    stage(name, async ({ app, server }) => {
      for (const { name: look, ...options } of looks) {
        const context = await browser.newContext(options)
        const page = await context.newPage()
        await page.goto(app.url)
        await asks(page)
        await assertAccessible(page)
        await fill(page, 'bob', 'wrong wrong')
        await submit(page, 'Log in')
        await page.getByRole('alert').filter({ hasText: 'Bad' }).waitFor()
        await screenshot(page, `spa-${name}-login-${look}`)
        await fill(page, 'bob')
        await submit(page, 'Log in')
        await says(page, 'bob')
        await page.getByRole('listitem').first().waitFor()
        await assertAccessible(page)
        await screenshot(page, `spa-${name}-account-${look}`)
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        assert.equal(overflow, 0)
        await context.close()
      }
    }))
}

test('ssr: the page names the user without a script, and a refresh on the way reaches the browser', () =>
  stage('ssr', async ({ app, server, context }) => {
    const logIn = await context.request.post(`${app.url}api/login`, { data: { username: 'bob', password: PASSWORD } })
    assert.equal(logIn.status(), 200)
    const get = async () => {
      const response = await context.request.get(app.url)
      assert.equal(response.headers()['cache-control'], 'private, no-store')
      return [response.status(), /<h1>(.*?)<\/h1>/.exec(await response.text())[1]]
    }
    assert.deepEqual(await get(), [200, 'Hello bob'])
    await context.clearCookies({ name: 'access_token_cookie' })
    assert.deepEqual(await get(), [200, 'Hello bob'])
    assert.ok((await context.cookies()).some(({ name }) => name === 'access_token_cookie'))
    await server.stop()
    assert.deepEqual(await get(), [503, 'Please try again'])
  }))
