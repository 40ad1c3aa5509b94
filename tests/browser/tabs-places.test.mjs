// The client in other surroundings: https with prefixed cookies, another origin, service workers.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { all, burst, isOut, isUser, login, nobodySignedOut, stage, withBrowser } from './stage.mjs'
import { launch } from './support.mjs'

withBrowser(() => launch())

let folder
let certificate
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenpair-certificate-'))
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name))
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  certificate = { key: await readFile(key), cert: await readFile(cert) }
})
after(() => rm(folder, { recursive: true, force: true }))

test('with the prefix __Host- over https, three tabs survive the expiry with one refresh', async () => {
  const settings = ({ url }) => ({
    PUBLIC_URL: url,
    SERVER_TLS_CERT: join(folder, 'cert.pem'),
    SERVER_TLS_KEY: join(folder, 'key.pem'),
    JWT_COOKIE_PREFIX: 'host',
  })
  const use = async ({ tabs, proxy, context, expire, life }) => {
    const pages = await tabs({ cookiePrefix: '__Host-' })
    assert.equal((await login(pages[0], 'ann')).ok, true)
    for (const page of pages) await isUser(page, 'ann')
    await expire()
    assert.deepEqual(await Promise.all(pages.map((page) => burst(page, 20))), all(3, all(20, '200 ann')))
    assert.equal(proxy.count('POST', '/refresh'), 1)
    assert.equal((await life('ann')).generation, 2)
    await nobodySignedOut(pages)
    for (const { name, secure, path } of await context.cookies()) assert.deepEqual([name.startsWith('__Host-'), secure, path], [true, true, '/'])
    assert.deepEqual(await pages[1].evaluate(() => auth.logout()), { ok: true })
    for (const page of pages) await isOut(page)
  }
  await stage(settings, use, { certificate, context: { ignoreHTTPSErrors: true } })
})

for (const hasLocks of [true, false])
  test(`three tabs on another origin of the site survive the expiry ${hasLocks ? 'with one refresh' : 'without locks'}`, async () => {
    const settings = ({ port }) => ({ JWT_CSRF_IN_COOKIES: 'false', SERVER_CORS_ORIGINS: `http://app.site.localhost:${port}` })
    await stage(settings, async ({ tabs, proxy, server, context, expire, life }) => {
      if (!hasLocks) await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }))
      const baseUrl = `http://login.site.localhost:${new URL(server.url).port}`
      proxy.url = `http://app.site.localhost:${proxy.port}`
      const pages = await tabs({ baseUrl, csrf: 'body' })
      assert.equal((await login(pages[0], 'ann')).ok, true)
      for (const page of pages) await isUser(page, 'ann')
      await expire()
      const refreshes = []
      context.on('request', (request) => request.method() === 'POST' && request.url() === `${baseUrl}/refresh` && refreshes.push(request))
      assert.deepEqual(await Promise.all(pages.map((page) => burst(page, 20, `${baseUrl}/protected`))), all(3, all(20, '200 ann')))
      assert.ok(refreshes.length > 0 && refreshes.length <= (hasLocks ? 1 : 3), `${refreshes.length} refreshes`)
      assert.equal((await life('ann')).generation, 2)
      await nobodySignedOut(pages)
    })
  })

test('behind a service worker that passes requests on, tabs survive the expiry with one refresh', async () => {
  await stage({}, async ({ tabs, proxy, expire, life }) => {
    proxy.pages['/worker.js'] = ['text/javascript', `addEventListener('fetch', (event) => event.respondWith(fetch(event.request)))`]
    const pages = await tabs()
    await pages[0].evaluate(async () => {
      await navigator.serviceWorker.register('/worker.js')
      await navigator.serviceWorker.ready
    })
    for (const page of pages) {
      await page.reload()
      await page.waitForFunction(() => navigator.serviceWorker.controller && globalThis.auth)
    }
    assert.equal((await login(pages[0], 'ann')).ok, true)
    for (const page of pages) await isUser(page, 'ann')
    await expire()
    assert.deepEqual(await Promise.all(pages.map((page) => burst(page, 20))), all(3, all(20, '200 ann')))
    const echo = await pages[1].evaluate(() => auth.fetch('/api/echo', { method: 'POST', body: 'text' }).then((response) => response.json()))
    assert.equal(echo.text, 'text')
    assert.equal(proxy.count('POST', '/refresh'), 1)
    assert.equal((await life('ann')).generation, 2)
    await nobodySignedOut(pages)
  })
})

test('a client in a service worker uses the login of the pages, and refreshes once with them', async () => {
  await stage({}, async ({ tabs, proxy, expire, life }) => {
    const worker = `import { createAuth } from '/client.js'
const auth = createAuth()
addEventListener('message', async ({ data: { method, count }, source }) => {
  const one = async () => {
    const response = await auth.fetch(method === 'GET' ? '/protected' : '/api/echo', { method })
    const { logged_in_as: user = '' } = await response.json()
    return \`\${auth.session().user?.username}: \${response.status} \${user}\`.trim()
  }
  const answers = await Promise.all(Array.from({ length: count }, one)).catch(({ message }) => message)
  source.postMessage(answers)
})`
    proxy.pages['/worker.js'] = ['text/javascript', worker]
    const pages = await tabs()
    assert.equal((await login(pages[0], 'ann')).ok, true)
    for (const page of pages) await isUser(page, 'ann')
    const ask = (method, count) =>
      pages[0].evaluate(
        async ([method, count]) => {
          await navigator.serviceWorker.register('/worker.js', { type: 'module' })
          const { active } = await navigator.serviceWorker.ready
          const answered = new Promise((resolve) => navigator.serviceWorker.addEventListener('message', ({ data }) => resolve(data), { once: true }))
          active.postMessage({ method, count })
          return answered
        },
        [method, count],
      )
    assert.deepEqual(await ask('GET', 2), all(2, 'ann: 200 ann'))
    await expire()
    const [inWorker, ...inPages] = await Promise.all([ask('GET', 20), ...pages.map((page) => burst(page, 20))])
    assert.deepEqual(inPages, all(3, all(20, '200 ann')))
    assert.deepEqual(inWorker, all(20, 'ann: 200 ann'))
    assert.equal(proxy.count('POST', '/refresh'), 1)
    assert.deepEqual(await ask('POST', 2), all(2, 'ann: 200'))
    assert.equal(proxy.seen.filter(({ status }) => status !== 200 && status !== 401).length, 0)
    assert.equal((await life('ann')).generation, 2)
    await nobodySignedOut(pages)
    assert.equal((await login(pages[1], 'bob')).ok, true)
    await isUser(pages[0], 'bob') // the worker has heard of it too
    assert.deepEqual(await ask('GET', 2), all(2, 'bob: 200 bob'))
  })
})
